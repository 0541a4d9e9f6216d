"""The janitor rests when there is nothing to do, and deposes nobody before its time."""

from collections.abc import Sequence

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.janitor.janitor import STUCK_S
from zkmq.janitor.reaper import MAX_REFUSALS
from zkmq.putting.tail_segments import TailSegments
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Code, Committed, Create, Delete, Op, Rejected, Reply

TREE = QueueTree("/queue")


class Refusing(MemoryStore):
    """Its servers refuse every write that carries a certain word."""

    word = b"poison"

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        for index, op in enumerate(ops):
            if isinstance(op, Create) and self.word in op.data:
                return Rejected(index, Code.NO_AUTH)
        return super().commit(ops, deadline_s)


def test_no_janitor_is_deposed_before_its_time(queue: Queue, world: World) -> None:
    """Neither one at work nor one that has just begun to hang loses its office."""
    world.scheduler.sleep(1000)
    working, other = janitor_of(world), janitor_of(world)
    swept(working, world)
    lock = world.leader.tree.nodes[TREE.lock].czxid
    for _ in range(int(STUCK_S / 2)):
        assert not other.step(world.scheduler.now_s + 9)
        world.scheduler.sleep(1)
    assert world.leader.tree.nodes[TREE.lock].czxid == lock


def test_the_living_leave_it_in_peace(opened: Open, world: World) -> None:
    """Where everybody lives nothing wakes it, and no slice of work is left."""
    for name in ("a", "b"):
        opened(name).reserve()
    janitor = janitor_of(world)
    swept(janitor, world, steps=2)
    janitor.wake.wait(world.scheduler.now_s)  # its own lock's creation
    swept(janitor, world)
    assert not janitor.wake.wait(world.scheduler.now_s + 1)
    assert not janitor.busy


def test_a_dead_consumer_that_cannot_be_buried_keeps_it_from_nothing(
    queue: Queue, opened: Open, world: World
) -> None:
    """It is left alone for a time, so that the janitor rests; what it held came back."""
    queue.put(b"x")
    consumer = opened("consumer")
    consumer.reserve()
    path = TREE.consumer(str(consumer.consumer_id))
    store = world.client("anybody")
    assert isinstance(store.commit([Create(f"{path}/foreign")], store.now() + 9), Committed)
    consumer._store.expire()
    janitor = janitor_of(world)
    swept(janitor, world, steps=5)
    assert drained(queue) == [b"x"]
    assert not janitor.busy


@pytest.mark.parametrize("place", range(4))
def test_the_servers_refuse_one_delayed_item(queue: Queue, world: World, place: int) -> None:
    """It stays, wherever it is among those due, and holds up no other."""
    data = [b"1", b"2", b"3"]
    data.insert(place, b"poison")
    for each in data:
        queue.put(each, delay_s=1)
    janitor = janitor_of(world, store=Refusing(world, "janitor"))
    world.scheduler.sleep(5)
    swept(janitor, world)
    assert drained(queue) == [b"1", b"2", b"3"]
    assert len(places_of(world).delayed) == 1


def test_a_delayed_item_comes_without_its_delay(queue: Queue, world: World) -> None:
    """What is available tells of no delay, whether it was put or released so."""
    queue.put(b"put", delay_s=1)
    queue.put(b"released")
    queue.release(*queue.reserve().items, delay_s=1)
    world.scheduler.sleep(5)
    swept(janitor_of(world), world)
    items = queue.reserve(2, sync=True).items
    assert sorted(item.data for item in items) == [b"put", b"released"]
    assert all("delay_s" not in item.header for item in items)


def test_an_overdue_item_with_a_child_holds_up_no_other(queue: Queue, world: World) -> None:
    """It stays with its holder, and the next one that is overdue is taken."""
    queue.put(b"1", ttr_s=1)
    queue.put(b"2", ttr_s=1)
    first, _ = queue.reserve(2).items
    store = world.client("anybody")
    child = f"{TREE.claims(first.consumer)}/{first.name}/child"
    assert isinstance(store.commit([Create(child)], store.now() + 9), Committed)
    world.scheduler.sleep(5)
    janitor = janitor_of(world)
    swept(janitor, world, steps=3)
    assert [data for _, data in places_of(world).claims] == [b"1"]
    assert not janitor.busy


class Guarded(MemoryStore):
    """Its servers let it delete nothing of one consumer."""

    consumer = ""
    refused = 0

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        for index, op in enumerate(ops):
            if isinstance(op, Delete) and op.path.startswith(TREE.consumer(self.consumer)):
                self.refused += 1
                return Rejected(index, Code.NO_AUTH)
        return super().commit(ops, deadline_s)


def test_a_consumer_that_may_not_be_reaped_is_given_up_for_a_time(
    queue: Queue, opened: Open, world: World
) -> None:
    """After some refusals of the same write; what the other dead held comes back."""
    queue.put_many([b"1", b"2"])
    store = Guarded(world, "janitor")
    for name in ("a", "b"):
        consumer = opened(name)
        consumer.reserve()
        consumer._store.expire()
        store.consumer = store.consumer or str(consumer.consumer_id)
    janitor = janitor_of(world, store=store)
    swept(janitor, world, steps=5)
    assert not janitor.busy
    assert MAX_REFUSALS < store.refused <= 2 * MAX_REFUSALS
    assert drained(queue) == [b"2"]


def test_a_segment_of_returns_that_is_there_costs_no_look_at_the_guard(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mover goes on with the guard that it knows."""
    queue.put_many([b"1", b"2"])
    first, second = queue.reserve(2).items
    queue.purge()
    queue.release(first)
    queue.release(second, delay_s=1)
    reads: list[int] = []
    read = TailSegments._read

    def counted(tails: TailSegments, priority: int, deadline_s: float) -> Guard:
        reads.append(priority)
        return read(tails, priority, deadline_s)

    janitor = janitor_of(world)
    world.scheduler.sleep(5)
    monkeypatch.setattr(TailSegments, "_read", counted)
    swept(janitor, world)
    assert reads == [100]
    assert drained(queue) == [b"1", b"2"]
