"""A signal's handler may raise anywhere in a call: the next call finds out what became of it.

Each call is made again and again, each time on a new ZooKeeper in memory, and an exception is
raised in it at one more place: wherever CPython may run a handler.
"""

from collections.abc import Callable
from typing import Any

import pytest

from worlds.interrupts import HAS_MORE_PLACES, JobTimeoutError, interrupted, warm_up
from worlds.memory.queues import drained, places_of
from worlds.memory.store import World
from zkmq import Item, NotHeldError, Queue

pytestmark = pytest.mark.medium

# More than any of these calls has. From 3.12 on, list comprehensions are no functions, whose entry
# is a place, so the least numbers below are those of 3.12.
PLACES = 5000
# Of a reserve, at least.
MANY = 200 if HAS_MORE_PLACES else 150


class Stage:
    """A queue with three items, two of them held by its client."""

    def __init__(self) -> None:
        self.world = World(seed=1)
        self.queue = Queue(self.world.client(), janitor=False, segment_items=3)
        self.queue.put_many([b"a", b"b", b"c"])
        self.held = self.queue.reserve(2, sync=True).items

    def all(self) -> list[bytes]:
        """Every payload, wherever it is."""
        places = places_of(self.world)
        kinds = (places.items, places.claims, places.dead, places.partial, places.delayed)
        return sorted(data for kind in kinds for _, data in kind)


def at_every_place(call: Callable[[Stage], object], judge: Callable[[Stage], None]) -> int:
    """Interrupt a call at one place after the other, and judge what follows; how many."""
    for place in range(1, PLACES):
        warm_up(lambda: call(Stage()))
        stage = Stage()
        error = interrupted(place, lambda: call(stage))  # noqa: B023 - called at once
        if error is None:
            return place
        print("interrupted at", error)
        # Other threads can go on, though the exception still keeps the frames of the call.
        for lock in (stage.queue._puts.lock, stage.queue._consumer._lock):
            assert not lock.is_held
        judge(stage)
    pytest.fail("the call has no end")


def ended(stage: Stage, end: Callable[[Queue, Item], object]) -> None:
    """Do it again, as who was interrupted does; it is done then, once."""
    for item in stage.held:
        try:
            end(stage.queue, item)
        except NotHeldError:
            assert item.hold.value in {"done", "returned"}


def test_an_interrupted_put_is_put_once_or_never() -> None:
    """As `resolve` tells; and the next put works."""

    def judge(stage: Stage) -> None:
        settled = stage.queue.resolve()
        put = stage.all().count(b"x")
        assert put == sum(bool(each.took_effect) for each in settled)
        stage.queue.put(b"y")
        assert stage.all() == sorted([b"a", b"b", b"c", b"y", *[b"x"] * put])

    assert at_every_place(lambda stage: stage.queue.put(b"x"), judge) > 100


def test_an_interrupted_put_many_is_a_first_part() -> None:
    """Each write took effect as `resolve` tells, in order, and none twice."""
    values = [b"%d" % number for number in range(5)]

    def judge(stage: Stage) -> None:
        settled = stage.queue.resolve()
        told = [each.took_effect for each in settled for _ in range(each.items)]
        stage.queue.put(b"y")
        stage.queue.release(*stage.held)
        assert drained(stage.queue) == [b"a", b"b", b"c", *values[: told.count(True)], b"y"]

    call = lambda stage: stage.queue.put_many(values, batch=2)  # noqa: E731
    assert at_every_place(call, judge) > 300


def test_what_an_interrupted_reserve_took_comes_with_the_next() -> None:
    """No item stays with a consumer that does not know of it."""

    def judge(stage: Stage) -> None:
        assert [item.data for item in stage.queue.reserve(9, sync=True).items] == [b"c"]
        assert stage.all() == [b"a", b"b", b"c"]
        assert sorted(stage.queue._consumer.membership._registration.held) == sorted(  # type: ignore[union-attr]
            path.rpartition("/")[2] for path in stage.world.dump() if "/item/item-" in path
        )

    assert at_every_place(lambda stage: stage.queue.reserve(9, sync=True), judge) > MANY


def test_what_an_interrupted_reserve_was_to_acknowledge_can_be_acknowledged() -> None:
    """Together with a claim: both took effect or neither did."""

    def judge(stage: Stage) -> None:
        ended(stage, lambda queue, item: queue.done(item))
        assert [item.data for item in stage.queue.reserve(9, sync=True).items] == [b"c"]
        assert stage.all() == [b"c"]

    assert at_every_place(lambda stage: stage.queue.reserve(9, done=stage.held), judge) > MANY


ENDS: dict[str, tuple[Callable[[Queue, Item], object], list[bytes]]] = {
    "done": (lambda queue, item: queue.done(item), [b"c"]),
    "release": (lambda queue, item: queue.release(item), [b"a", b"b", b"c"]),
    "bury": (lambda queue, item: queue.bury(item, reason="bad"), [b"a", b"b", b"c"]),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_interrupted_end_can_be_asked_for_again(name: str) -> None:
    """It has taken effect once then; the consumer goes on, and so do other items."""
    end, left = ENDS[name]

    def call(stage: Stage) -> None:
        end(stage.queue, stage.held[0])

    def judge(stage: Stage) -> None:
        ended(stage, end)
        assert stage.all() == left
        assert stage.queue._consumer.membership.held == []
        stage.queue.put(b"d")
        assert b"d" in drained(stage.queue)

    assert at_every_place(call, judge) > 50


def test_an_interrupted_touch_leaves_the_item_held() -> None:
    """And its version known: it can be touched again, and acknowledged."""

    def judge(stage: Stage) -> None:
        stage.queue.touch(*stage.held)
        stage.queue.done(*stage.held)
        assert stage.all() == [b"c"]

    assert at_every_place(lambda stage: stage.queue.touch(*stage.held), judge) > 50


def test_a_lost_reply_and_an_interrupt_leave_the_truth_to_be_found(world: World) -> None:
    """The handler raises while the answer is awaited, of a write that took effect."""
    queue = Queue(world.client(), janitor=False)
    queue.put(b"a")
    (item,) = queue.reserve().items
    store: Any = queue._bound.inner
    commit = store.commit

    def commit_and_raise(*args: Any) -> None:
        commit(*args)
        store.commit = commit
        raise JobTimeoutError

    pending = store.submit

    class Raising:
        def __init__(self, reply: Any) -> None:
            self._reply = reply

        def reply(self, deadline_s: float) -> None:
            self._reply.reply(deadline_s)
            raise JobTimeoutError

    def submit_and_raise(ops: Any) -> Raising:
        store.submit = pending
        return Raising(pending(ops))

    store.submit = submit_and_raise
    with pytest.raises(JobTimeoutError):
        queue.done(item)
    queue.done(item)
    assert places_of(world).claims == []
    queue.put(b"b")
    assert [each.data for each in queue.reserve(sync=True).items] == [b"b"]
