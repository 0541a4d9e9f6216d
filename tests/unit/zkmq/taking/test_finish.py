"""Ending and prolonging holds: done, release, touch, bury; and never by a consumer that lost."""

from typing import Any

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Hold, Queue
from zkmq.errors import (
    AckUnknownError,
    BadArgumentError,
    ConsumerLostError,
    NotHeldError,
    OutcomeUnknownError,
)

NUMBERS = [b"%03d" % number for number in range(9)]
ENDS = {
    "done": lambda queue, item: queue.done(item),
    "release": lambda queue, item: queue.release(item),
    "bury": lambda queue, item: queue.bury(item, reason="bad"),
    "touch": lambda queue, item: queue.touch(item),
}
each_end = pytest.mark.parametrize("end", list(ENDS))


def test_done_removes_for_ever(queue: Queue, world: World) -> None:
    """One write; the item is nowhere any more."""
    queue.put_many(NUMBERS[:2])
    items = queue.reserve(2).items
    before = world.leader.zxid
    done = queue.done(*items)
    assert (done.zxid, done.attempts) == (before + 1, 1)
    assert {item.hold for item in items} == {Hold.DONE}
    places = places_of(world)
    assert (places.items, places.claims) == ([], [])


def test_release_returns_to_the_old_place(queue: Queue) -> None:
    """A released item comes back before everything younger, as its next delivery."""
    queue.put_many(NUMBERS[:4])
    first = queue.reserve(1).items[0]
    queue.release(first)
    again = queue.reserve(1, sync=True).items[0]
    assert (again.data, again.id, again.delivery) == (first.data, first.id, 2)
    assert again.name != first.name
    assert first.hold is Hold.RETURNED


def test_fences_grow(queue: Queue) -> None:
    """A later delivery has a larger fence, so that a late write can be refused further down."""
    queue.put(b"x")
    fences = []
    for _ in range(4):
        (item,) = queue.reserve(sync=True).items
        fences.append(item.fence)
        queue.release(item)
    assert fences == sorted(set(fences))


def test_release_to_a_segment_that_is_gone(queue: Queue, world: World) -> None:
    """The old place stays the old place though its segment was dropped."""
    queue.put_many(NUMBERS, batch=3)
    held = queue.reserve(3).items
    queue.done(*queue.reserve(3).items)
    swept(janitor_of(world), world)
    assert "0000000000" not in world.leader.tree.nodes["/queue/items/100"].children
    queue.release(*held)
    assert drained(queue) == [*NUMBERS[:3], *NUMBERS[6:]]


def test_release_to_the_back(queue: Queue) -> None:
    """On request it comes back behind everything of its priority, as a new item."""
    queue.put_many(NUMBERS[:3])
    queue.release(*queue.reserve(1).items, to="back")
    assert drained(queue) == [*NUMBERS[1:3], NUMBERS[0]]


def test_release_with_a_delay(queue: Queue, world: World) -> None:
    """It comes back to its place when its time is over, not before."""
    janitor = janitor_of(world)
    queue.put_many(NUMBERS[:3])
    queue.release(*queue.reserve(1).items, delay_s=30)
    world.scheduler.sleep(25)
    swept(janitor, world)
    assert [each.data for each in queue.peek(9)] == NUMBERS[1:3]
    world.scheduler.sleep(6)
    swept(janitor, world)
    assert drained(queue) == NUMBERS[:3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delay_s": -1}, "0 or more"),
        ({"delay_s": 1, "to": "back"}, "0 with"),
        ({"to": "x"}, "one of"),
    ],
)
def test_release_checks_its_arguments(queue: Queue, options: dict[str, Any], words: str) -> None:
    """Nothing is released that was asked for in a wrong way."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    with pytest.raises(BadArgumentError, match=words):
        queue.release(item, **options)
    assert item.hold is Hold.HELD


def test_delivered_too_often_is_dead(opened: Open) -> None:
    """The last delivery that comes back is put aside, with the reason and the last owner."""
    queue = opened(max_deliveries=2)
    queue.put(b"x")
    for _ in range(2):
        queue.release(*queue.reserve(sync=True).items)
    assert queue.reserve(sync=True).items == ()
    (dead,) = queue.peek(place="dead")
    assert (dead.data, dead.deliveries) == (b"x", 2)
    assert dead.reason == "released after its last delivery"


def test_bury_keeps_the_reason(queue: Queue) -> None:
    """A buried item is dead, with what was said of it."""
    queue.put(b"x")
    queue.bury(*queue.reserve().items, reason="cannot be parsed")
    (dead,) = queue.peek(place="dead")
    assert (dead.data, dead.reason) == (b"x", "cannot be parsed")
    assert drained(queue) == []


def test_touch_starts_the_time_anew(queue: Queue, world: World) -> None:
    """A touched item stays; one that is not goes back when its time to run is over."""
    janitor = janitor_of(world)
    queue.put_many(NUMBERS[:1])
    queue.put(b"short", ttr_s=10)
    _, short = queue.reserve(2).items
    for _ in range(3):
        world.scheduler.sleep(7)
        queue.touch(short)
        swept(janitor, world)
    assert queue.stats().held == 2
    world.scheduler.sleep(11)
    swept(janitor, world)
    assert queue.stats().held == 1
    with pytest.raises(NotHeldError, match="its time to run was over"):
        queue.done(short)
    assert short.hold is Hold.LOST
    assert drained(queue) == [b"short"]


@each_end
def test_an_end_needs_a_hold(queue: Queue, end: str) -> None:
    """What was ended cannot be ended again: certainly not, and it says why."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    queue.done(item)
    with pytest.raises(NotHeldError, match="got one done") as caught:
        ENDS[end](queue, item)
    assert caught.value.definite


@each_end
def test_another_consumers_item(opened: Open, end: str) -> None:
    """Nobody ends another's hold."""
    one, other = opened("one"), opened("other")
    one.put(b"x")
    (item,) = one.reserve().items
    other.reserve()
    with pytest.raises(ConsumerLostError):
        ENDS[end](other, item)
    assert item.hold is Hold.HELD


@pytest.mark.parametrize("items", [(), None])
def test_at_least_one_item_each_once(queue: Queue, items: tuple[()] | None) -> None:
    """No items, or one twice, is a mistake of the caller."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    with pytest.raises(BadArgumentError):
        queue.done(*((item, item) if items is None else items))
    assert item.hold is Hold.HELD


@each_end
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_a_struck_end_takes_effect_once(queue: Queue, world: World, fault: Fault, end: str) -> None:
    """A broken connection is survived: the call returns, and the item is where it should be."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    world.faults = Strike(end, fault)
    assert ENDS[end](queue, item).attempts == 2
    stats = queue.stats()
    expected = {"done": (0, 0, 0), "release": (1, 0, 0), "bury": (0, 0, 1), "touch": (0, 1, 0)}
    assert (sum(stats.waiting.values()), stats.held, stats.dead) == expected[end]


@each_end
@pytest.mark.parametrize("fault", [Fault.EXPIRE_BEFORE, Fault.EXPIRE_AFTER])
def test_an_end_in_doubt_when_the_session_ends(
    queue: Queue, world: World, fault: Fault, end: str
) -> None:
    """Nothing can tell any more: unknown, and nothing happens after that."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    world.faults = Strike(end, fault)
    with pytest.raises(AckUnknownError):
        ENDS[end](queue, item)
    took_effect = fault is Fault.EXPIRE_AFTER
    gone = took_effect and end != "touch"
    assert len(places_of(world).claims) == int(not gone)


@each_end
def test_an_end_after_the_session_is_fenced(opened: Open, world: World, end: str) -> None:
    """Once the session has ended on the server, nothing of the consumer takes effect."""
    lost: list[tuple[str, list[bytes]]] = []
    queue = opened(lost=lambda who, items: lost.append((who, [item.data for item in items])))
    queue.put(b"x")
    (item,) = queue.reserve().items
    consumer = queue.consumer_id
    world.leader.close_session(queue.session_id or 0)
    before = places_of(world)
    with pytest.raises((ConsumerLostError, AckUnknownError)):
        ENDS[end](queue, item)
    assert places_of(world) == before
    assert lost == [(consumer, [b"x"])]
    assert item.hold is Hold.LOST


def test_done_without_an_answer_is_settled_by_the_next_call(queue: Queue, world: World) -> None:
    """An acknowledgement that was given up is known before anything else is done."""
    world.session_timeout_s = 1000
    queue.put_many(NUMBERS[:2])
    first, second = queue.reserve(2).items
    world.faults = Strike("done", Fault.LOSE_REPLY, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.done(first)
    assert first.hold is Hold.HELD
    world.faults = no_faults
    queue.touch(second)
    assert first.hold is Hold.DONE
    assert queue.done(first) == queue.done(first)
    with pytest.raises(NotHeldError, match="got one done"):
        queue.release(first)
