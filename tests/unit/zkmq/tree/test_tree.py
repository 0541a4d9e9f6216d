"""Guards, and the reader of raw copies of a tree."""

import pytest

from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import IncompatibleTreeError
from zkmq.tree import raw_copy
from zkmq.tree.guards import Guard
from zkmq.tree.item_names import parse


@pytest.mark.parametrize(
    ("data", "guard"),
    [
        pytest.param(b'{"tail": 3, "purged": 1}', Guard(3, 1, 7), id="both"),
        pytest.param(b'{"tail": 3}', Guard(3, -1, 7), id="tail-alone"),
        pytest.param(b"3", Guard(3, -1, 7), id="bare-number"),
        pytest.param(b"", Guard(0, -1, 7), id="empty"),
    ],
)
def test_a_guard_is_read(data: bytes, guard: Guard) -> None:
    """Every way in which a guard may be written is understood."""
    assert Guard.decode(data, 7) == guard


def test_a_guard_that_is_none_is_an_error() -> None:
    """Other data is refused with what was expected."""
    with pytest.raises(IncompatibleTreeError, match="expected JSON with tail and purged"):
        Guard.decode(b"{", 0)


def test_a_guard_keeps_both_numbers() -> None:
    """Writing a guard never forgets what was purged."""
    guard = Guard(5, 3, 9)
    assert Guard.decode(guard.encode(), 9) == guard


def test_purged_segments_do_not_wait() -> None:
    """Only what sorts behind the purged segment waits; its returns do."""
    segments = ["0000000004", "0000000003r", "0000000003", "0000000002"]
    assert Guard(4, 3).waiting(segments) == ["0000000003r", "0000000004"]
    assert Guard(4).waiting(segments) == sorted(segments)


def test_a_survivor_of_a_purge_goes_home_behind_it() -> None:
    """What was held during a purge comes back where it is not purged."""
    name = parse("item-100-0000000002-0000000001")
    assert name is not None
    assert Guard(9, 3).return_segment(name) == "0000000003r"
    assert Guard(9, 1).return_segment(name) == "0000000002"


def test_decode_finds_every_item_in_its_place(queue: Queue, world: World) -> None:
    """A raw copy of the tree tells where each item is, and what it holds."""
    queue.put_many([b"held", b"dead", b"waiting"])
    queue.put(b"purged", priority=5)
    queue.purge(5)
    queue.put(b"later", delay_s=60, priority=200)
    _, dead = queue.reserve(2).items
    queue.bury(dead, reason="bad")
    places = raw_copy.decode(world.dump())
    assert places.items == [(100, b"waiting")]
    assert places.claims == [(100, b"held")]
    assert places.dead == [(100, b"dead")]
    assert places.delayed == [(200, b"later")]
    assert places.purged == [(5, b"purged")]
    assert places.partial == []


def test_decode_reads_the_originals_flat_items() -> None:
    """Items directly under items/, without an envelope, are waiting."""
    nodes = {"/queue/items/item-100-0000000001": b"raw", "/queue/items/item-007-0000000000": b"0"}
    assert raw_copy.decode(nodes).items == [(7, b"0"), (100, b"raw")]
