"""Headers and the content type travel with an item through every place, and are checked before."""

import pytest

from worlds.memory.queues import Open, janitor_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import BadArgumentError
from zkmq.putting.batches import writes_of
from zkmq.putting.entry import MAX_VALUE_BYTES, Entry
from zkmq.tree import envelope
from zkmq.zookeeper.store import Create

HEADERS = {"tenant": "7", "traceparent": "00-0af7651916cd43dd-b7ad6b7169203331-01", "empty": ""}
MOST = {f"name-{number}": "x" * 100 for number in range(64)}


def test_headers_travel_through_every_place(world: World, opened: Open) -> None:
    """Waiting, held, given back, delayed, dead, and brought back from there."""
    queue = opened(max_deliveries=3)
    queue.put(b"a", headers=HEADERS, content_type="text/plain")
    (peeked,) = queue.peek()
    assert (peeked.headers, peeked.content_type) == (HEADERS, "text/plain")
    (item,) = queue.reserve(sync=True).items
    assert (item.data, item.headers, item.content_type) == (b"a", HEADERS, "text/plain")
    queue.release(item)
    (item,) = queue.reserve(sync=True).items
    queue.release(item, delay_s=5.0)
    janitor = janitor_of(world)
    world.scheduler.sleep(10.0)
    swept(janitor, world, 2)
    (item,) = queue.reserve(sync=True).items
    assert item.headers == HEADERS
    queue.bury(item, reason="why")
    (dead,) = queue.peek(place="dead")
    assert (dead.headers, dead.content_type, dead.reason) == (HEADERS, "text/plain", "why")
    queue.kick(1)
    (item,) = opened("other").reserve(sync=True).items
    assert (item.headers, item.content_type) == (HEADERS, "text/plain")


def test_an_item_without_headers_has_none(queue: Queue) -> None:
    """And its node is as short as before."""
    queue.put(b"a")
    queue.put(b"b", headers={})
    first, second = queue.reserve(2).items
    assert (first.headers, first.content_type) == ({}, None)
    assert (second.headers, second.content_type) == ({}, None)
    assert Entry(data=b"a", headers={}).envelope == envelope.FRESH + b"a"


def test_entries_with_other_headers_are_others() -> None:
    """The gateway compares requests with the same key by the hash of their entries."""
    one, other = Entry(data=b"a", headers={"a": "1"}), Entry(data=b"a", headers={"a": "2"})
    assert hash(one) == hash(Entry(data=b"a", headers={"a": "1"}))
    assert hash(one) != hash(other)
    assert hash(one) != hash(Entry(data=b"a"))


def test_headers_that_no_item_can_carry_are_refused(queue: Queue) -> None:
    """Before anything is sent, with what was expected."""
    for headers in (
        {"a": 1},
        {1: "a"},
        {"": "a"},
        {"a": "line\nline"},
        {"a": "\x00"},
        {"a": "\udc80"},
        {"a": "x" * 1001},
        {f"{number}": "a" for number in range(65)},
        {f"{number}": "x" * 1000 for number in range(9)},
        ["a"],
    ):
        with pytest.raises(BadArgumentError, match="put: headers"):
            queue.put(b"a", headers=headers)  # type: ignore[arg-type]
    for content_type in ("", "a\nb", 7):
        with pytest.raises(BadArgumentError, match="put: content_type"):
            queue.put(b"a", content_type=content_type)  # type: ignore[arg-type]
    assert queue.peek() == []


def test_the_largest_item_with_the_most_headers_goes_all_ways(queue: Queue) -> None:
    """A request that carries it, with the longest reason, is within what servers accept."""
    queue.put(b"x" * MAX_VALUE_BYTES, headers=MOST, content_type="x" * 1000)
    (item,) = queue.reserve(sync=True).items
    queue.bury(item, reason="\x01" * 1000)
    assert queue.kick(1).count == 1
    (item,) = queue.reserve(sync=True).items
    assert item.headers == MOST


def test_headers_count_towards_the_size_of_a_write(queue: Queue) -> None:
    """Else 500 items with 7 KB of headers each would be one request of 3.5 MB."""
    entries = [Entry(data=b"a", headers=MOST) for _ in range(100)]
    sizes = [sum(len(each.envelope) for each in part) for part in writes_of(entries, 500)]
    assert len(sizes) > 1
    assert max(sizes) <= 256 * 1024
    queue.put_many(entries)
    assert queue.stats().waiting[100] == 100


def test_foreign_headers_that_make_no_sense_go_to_the_dead_letters(
    world: World, queue: Queue
) -> None:
    """Any client can write a node; `kick` brings the item back without them."""
    queue.put(b"a")
    queue.reserve(done=())
    lane = next(path for path in world.dump() if path.endswith("/items/100/0000000000"))
    data = envelope.wrap(b"foreign", {"headers": {"a": 1}})
    world.client("foreign").commit(
        [Create(f"{lane}/item-100-0000000000-0000000002", data)], world.scheduler.now_s + 9
    )
    assert queue.reserve(sync=True).items == ()
    (dead,) = queue.peek(place="dead")
    assert dead.reason == (
        "cannot be delivered: its header: headers: expected texts by name, got {'a': 1}"
    )
    queue.kick(1)
    (item,) = queue.reserve(sync=True).items
    assert (item.data, item.headers) == (b"foreign", {})
