"""A consumer's waits, its place in the line, and what it has forgotten to end."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from worlds.memory.network import Fault, Request
from worlds.memory.queues import Open, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Hold, Item, Queue
from zkmq.errors import ClosedError, NoQuorumError, NotHeldError
from zkmq.taking.waiting import WaitingLine
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, Delete


def later(world: World, delay_s: float, act: Callable[[], object]) -> None:
    """Do something in some seconds, as another client."""

    def body() -> None:
        world.scheduler.sleep(delay_s)
        act()

    world.scheduler.spawn("later", body)


def places_in_line(world: World) -> list[str]:
    """Who stands in the line."""
    return [path for path in world.dump() if path.startswith("/queue/waiting/") and "/w-" in path]


def test_a_reserve_without_an_end_waits_for_an_item(opened: Open, world: World) -> None:
    """Infinity is a time-out like any other."""
    queue, other = opened("one"), opened("other")
    later(world, 100.0, lambda: other.put(b"x"))
    assert [item.data for item in queue.reserve(timeout_s=math.inf).items] == [b"x"]


def test_a_reserve_that_acknowledges_waits_too(opened: Open, world: World) -> None:
    """What it acknowledges is done at once, and then it waits for the first item."""
    queue, other = opened("one"), opened("other")
    other.put(b"first")
    (first,) = queue.reserve().items
    seen: list[int] = []
    later(world, 1.0, lambda: seen.append(len(places_of(world).claims)))
    later(world, 2.0, lambda: other.put(b"second"))
    found = queue.reserve(timeout_s=3.0, done=[first])
    assert [item.data for item in found.items] == [b"second"]
    assert found.done is not None
    assert seen == [0]


def test_a_place_whose_deletion_was_lost_is_left_by_the_next_call(
    queue: Queue, world: World
) -> None:
    """An outage as it leaves the line leaves no place behind that clients who put wake in vain."""
    lost: list[Request] = []

    def lose_the_departure(_: int, request: Request) -> Fault | None:
        leaves = any(isinstance(op, Delete) and "/waiting/" in op.path for op in request.ops)
        if leaves and not lost:
            lost.append(request)
            return Fault.LOSE_REQUEST
        return None

    world.faults = lose_the_departure
    queue.reserve(timeout_s=0.5)
    world.scheduler.sleep(1.0)
    assert len(places_in_line(world)) == len(lost) == 1
    queue.reserve()
    world.scheduler.sleep(1.0)
    assert places_in_line(world) == []


def test_who_gets_what_another_call_did_not_leaves_the_line(opened: Open, world: World) -> None:
    """That call, which a signal's handler ended, had deleted its own place, and not this one."""
    waiting, other = opened("waiting"), opened("other")
    later(world, 1.0, lambda: other.put(b"a"))
    items = waiting.reserve(timeout_s=60).items  # the claim deletes the place
    assert places_in_line(world) == []
    consumer = waiting._consumer
    consumer.membership.arrived.add(items)
    consumer._line._take_place(world.scheduler.now_s + 9)
    assert len(places_in_line(world)) == 1
    assert waiting.reserve(timeout_s=60).items == items
    world.scheduler.sleep(1)
    assert places_in_line(world) == []


def test_a_reserve_that_acknowledges_ends_without_an_item(queue: Queue, world: World) -> None:
    """At its time-out it says what it has done."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    began_s = world.scheduler.now_s
    found = queue.reserve(timeout_s=3.0, done=[item])
    assert (found.items, found.done is not None, item.hold) == ((), True, Hold.DONE)
    assert world.scheduler.now_s - began_s >= 3.0


def test_a_close_does_not_take_an_acknowledgement_back(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reserve that has acknowledged does not end with an error that says it did nothing."""
    queue.put(b"x")
    (item,) = queue.reserve().items

    def closed(*_: object) -> None:
        queue._consumer._line._path = "/queue/waiting/0000000000/w-mine"
        queue._store.close()
        raise ClosedError("meanwhile")

    monkeypatch.setattr(queue._consumer, "_wait", closed)
    assert queue.reserve(timeout_s=3.0, done=[item]).done is not None


class Interrupt:
    """Ctrl-C at the nth request from now on; the request itself is sent."""

    def __init__(self, world: World, after: int) -> None:
        self._world, self._left = world, after

    def __call__(self, number: int, request: Request) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(1, 12))
def test_an_interrupted_wait_leaves_no_place_in_the_line(
    queue: Queue, world: World, after: int
) -> None:
    """Wherever it is interrupted: others would be woken late for a place that nobody takes."""
    queue.reserve()
    world.faults = Interrupt(world, after)
    with pytest.raises(KeyboardInterrupt):
        queue.reserve(timeout_s=math.inf)
    world.scheduler.sleep(1)
    assert places_in_line(world) == []


def test_a_place_that_was_asked_for_without_an_answer_is_left(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for, since only the answer would have told where it is."""
    queue.reserve()
    commit = queue._bound.commit

    def interrupted(ops: list[object], deadline_s: float) -> object:
        commit(ops, deadline_s)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(queue._consumer._line._store, "commit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.reserve(timeout_s=1.0)
    world.scheduler.sleep(1)
    assert places_in_line(world) == []


def test_who_let_others_go_first_leaves_the_line(opened: Open, world: World) -> None:
    """Also if it does not wait for items, and finds none."""
    queue, other = opened("one"), opened("other")
    queue.reserve()
    other.reserve()
    queue._consumer.reserver.contended_s = world.scheduler.now_s
    assert queue.reserve().items == ()
    world.scheduler.sleep(1)
    assert places_in_line(world) == []


def test_a_put_wakes_a_waiter_behind_interrupted_ones_at_once(opened: Open, world: World) -> None:
    """Not only when it looks again by itself, seconds later."""
    for number in range(3):
        gone = opened(f"gone-{number}")
        gone.reserve()
        world.faults = Interrupt(world, 8)
        with pytest.raises(KeyboardInterrupt):
            gone.reserve(timeout_s=math.inf)
    queue, other = opened("one"), opened("other")
    put_s: list[float] = []

    def put() -> None:
        put_s.append(world.scheduler.now_s)
        other.put(b"x")

    later(world, 4.0, put)
    assert queue.reserve(timeout_s=60.0).items
    assert world.scheduler.now_s - put_s[0] < 0.5


def forgotten(opened: Open) -> tuple[Queue, list[Item], list[tuple[str, list[Item]]]]:
    """A consumer that holds two items with a time to run and one without; and what it loses."""
    told: list[tuple[str, list[Item]]] = []
    queue = opened("one", lost=lambda who, items: told.append((who, list(items))))
    for data in (b"a", b"b"):
        queue.put(data, ttr_s=5.0)
    queue.put(b"c")
    return queue, list(queue.reserve(3).items), told


def test_items_whose_time_to_run_is_over_are_forgotten_and_told(opened: Open, world: World) -> None:
    """By the next call, once; the others stay held."""
    queue, items, told = forgotten(opened)
    consumer = queue.consumer_id
    world.scheduler.sleep(10)
    queue.touch(items[1])
    swept(janitor_of(world), world)
    world.scheduler.sleep(1.1)
    assert [item.data for item in queue.reserve(1).items] == [b"a"]
    assert told == [(consumer, items[:1])]
    assert [item.hold for item in items] == [Hold.LOST, Hold.HELD, Hold.HELD]
    held = queue._consumer.membership.held
    assert items[0] not in held
    assert len(held) == 3
    with pytest.raises(NotHeldError, match="its time to run was over"):
        queue.done(items[0])
    assert len(told) == 1
    queue.done(*items[1:])


def test_an_item_that_nobody_took_back_is_still_held(opened: Open, world: World) -> None:
    """Without a janitor it can be ended long after its time, and looking costs a read a second."""
    queue, items, told = forgotten(opened)
    world.scheduler.sleep(60)
    queue.reserve(sync=True)
    before = world.requests
    queue.touch(items[2])
    assert world.requests == before + 1
    queue.done(*items)
    assert told == []


def test_a_done_that_finds_its_item_taken_back_tells_it_lost(opened: Open, world: World) -> None:
    """Before its time is over by this client's clock, when a janitor's was faster."""
    queue, items, told = forgotten(opened)
    world.scheduler.sleep(10)
    swept(janitor_of(world), world)
    items[0].due_s = items[1].due_s = math.inf
    queue._consumer.membership._registration.due_s = math.inf  # type: ignore[union-attr]
    with pytest.raises(NotHeldError):
        queue.done(items[0])
    assert [each for _, each in told] == [items[:1]]


def test_a_place_in_the_line_that_is_gone_leaves_no_watch(world: World) -> None:
    """Its name never comes again, so a watch on its creation would stay for ever."""
    store = world.client()
    Queue(store, janitor=False)
    line = WaitingLine(store, QueueTree("/queue"))
    path = "/queue/waiting/0000000000/w-gone-0000000000"
    assert not line._there(path, store.now() + 9)
    assert store._connection is not None
    assert not store._connection.watches
    store.commit([Create(path.rpartition("/")[0]), Create(path)], store.now() + 9)
    assert line._there(path, store.now() + 9)
    assert len(store._connection.watches) == 1
    store.commit([Delete(path)], store.now() + 9)
    assert line._signal.wait(store.now() + 9)
    assert not store._connection.watches


def test_a_look_after_a_slow_wait_has_what_is_left_of_the_deadline(
    opened: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reserve takes its time-out and one deadline, and not one deadline for each part of it."""
    queue = opened("one", deadline_s=8.0)
    queue.put(b"x")
    queue.done(*queue.reserve().items)
    store, wait = world.clients[-1], queue._consumer._wait

    def slow_wait(*arguments: Any) -> None:
        store.cut(7.0)
        wait(*arguments)
        store.cut(100.0)

    monkeypatch.setattr(queue._consumer, "_wait", slow_wait)
    began_s = world.scheduler.now_s
    with pytest.raises(NoQuorumError):
        queue.reserve(timeout_s=3.0)
    assert 7 < world.scheduler.now_s - began_s < 3 + 8 + 0.5
