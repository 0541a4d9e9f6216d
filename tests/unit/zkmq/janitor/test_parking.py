"""Priorities that nobody uses: no look has to read them, and no name is used twice."""

import pytest

from worlds.memory.queues import Open, drained
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.janitor.janitor import Janitor
from zkmq.janitor.parking import IDLE_S
from zkmq.tree.compatibility.charter import Edition
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Delete, Denied, Read, ReadResult

TREE = QueueTree("/queue")


def janitor(queue: Queue) -> Janitor:
    """A janitor that sweeps in every step."""
    return Janitor(
        queue._bound,
        TREE,
        name="janitor",
        segment_items=3,
        sweep_period_s=0.0,
        lists=queue._bound.lists,
    )


def idle(keeper: Queue, world: World) -> None:
    """Let an hour pass, and the janitor sweep before and after it."""
    sweeping = janitor(keeper)
    for _ in range(3):
        while True:
            assert sweeping.step(world.scheduler.now_s + 60)
            if not sweeping.busy:
                break
        world.scheduler.sleep(IDLE_S / 2 + 1)
    sweeping.resign(keeper._store, world.scheduler.now_s + 9)


@pytest.fixture
def keeper(opened: Open) -> Queue:
    """Give a client that only keeps house."""
    return opened("keeper")


def used(world: World) -> set[str]:
    """The priorities that looks read."""
    return world.leader.tree.nodes[TREE.items].children


def test_a_look_reads_what_is_used(opened: Open, keeper: Queue, world: World) -> None:
    """500 priorities, each used once, an hour ago: a look is as small as without them."""
    queue = opened("user")
    for priority in range(500):
        queue.put(b"x", priority=priority)
    assert len(drained(queue)) == 500
    idle(keeper, world)
    assert not used(world)
    fresh = opened("fresh")
    asked: list[int] = []
    read_many = fresh._store.read_many

    def count(reads: list[Read], deadline_s: float, *, denied: Denied | None) -> ReadResult:
        asked.append(len(reads))
        return read_many(reads, deadline_s, denied=denied)

    fresh._store.read_many = count  # type: ignore[method-assign, assignment]
    fresh.put(b"y", priority=7)
    assert drained(fresh) == [b"y"]
    assert max(asked) < 10
    before = world.requests
    fresh.reserve(timeout_s=1)
    assert world.requests - before < 30


def test_a_short_rest_parks_nothing(queue: Queue, keeper: Queue, world: World) -> None:
    """Only the time since it was found empty counts, however old the tree is."""
    world.scheduler.sleep(10 * IDLE_S)
    queue.put(b"x")
    assert drained(queue) == [b"x"]
    sweeping = janitor(keeper)
    for _ in range(3):
        assert sweeping.step(world.scheduler.now_s + 60)
        world.scheduler.sleep(IDLE_S / 4)
    assert used(world)


def test_a_priority_that_is_used_again_goes_on(opened: Open, keeper: Queue, world: World) -> None:
    """By clients that know it and by new ones; no name occurs twice."""
    queue = opened("user")
    put_names: list[str | None] = []
    for life in range(3):
        for number in range(5):
            client = queue if number % 2 else opened(f"client-{life}-{number}")
            put_names.append(client.put(b"%d" % number).name)
        assert drained(queue) == [b"%d" % number for number in range(5)]
        idle(keeper, world)
        assert not used(world)
    assert len(set(put_names)) == len(put_names) == 15
    assert put_names == sorted(put_names, key=str)


@pytest.mark.parametrize("end", ["release", "back", "bury", "later", "crash", "done"])
def test_what_was_held_meanwhile_comes_back(
    opened: Open, keeper: Queue, world: World, end: str
) -> None:
    """A priority is parked though one of its items is held."""
    queue, holder = opened("user"), opened("holder")
    queue.put(b"x")
    (item,) = holder.reserve().items
    holder.reserve()
    idle(keeper, world)
    assert not used(world)
    store = holder._store
    assert isinstance(store, MemoryStore)
    if end == "crash":
        store.crash()
    elif end == "bury":
        holder.bury(item, reason="bad")
        assert queue.kick(1).count == 1
    elif end == "done":
        holder.done(item)
    else:
        to = "back" if end == "back" else "place"
        holder.release(item, delay_s=float(end == "later"), to=to)  # type: ignore[arg-type]
    world.scheduler.sleep(world.session_timeout_s + 2)
    sweeping = janitor(keeper)
    sweeping.step(world.scheduler.now_s + 60)
    assert drained(queue) == ([] if end == "done" else [b"x"])


def test_a_priority_in_use_is_not_parked(queue: Queue, keeper: Queue, world: World) -> None:
    """With an item waiting, or a roll within the hour."""
    queue.put(b"x")
    queue.put(b"y", priority=7)
    queue.done(*queue.reserve(1).items)
    idle(keeper, world)
    assert used(world) == {"100"}
    assert drained(queue) == [b"x"]


def test_a_guard_of_an_earlier_life_is_refused(opened: Open, keeper: Queue, world: World) -> None:
    """Versions start again; a return must not go where a purge has been since."""
    queue, holder = opened("user"), opened("holder")
    queue.put_many([b"1", b"2"])
    first, second = holder.reserve(2).items
    holder.release(first)  # now it knows the guard
    for _ in range(7):
        queue.put(b"x")
    drained(queue)
    queue.purge()
    idle(keeper, world)
    assert not used(world)
    queue.put(b"3")
    assert world.leader.tree.nodes["/queue/items/100"].version == 0
    holder.release(second)
    assert sorted(drained(queue)) == [b"2", b"3"]


def test_a_roll_of_an_earlier_life_is_refused(opened: Open, keeper: Queue, world: World) -> None:
    """A producer that comes back after hours must not turn the tail back."""
    late, queue = opened("late"), opened("user")
    for _ in range(3):
        late.put(b"x")  # its segment is full, and the next put rolls it
    for _ in range(2):
        drained(queue)
        idle(keeper, world)
        queue.put(b"y")
    (tail,) = world.leader.tree.nodes["/queue/items/100"].children
    late.put(b"z")
    assert max(world.leader.tree.nodes["/queue/items/100"].children) >= tail
    assert drained(queue) == [b"y", b"z"]


def test_a_tree_of_an_earlier_release_parks_nothing(world: World) -> None:
    """Its clients would begin such a priority at its first segment again."""

    class Earlier(Queue):
        edition = Edition(version=1, min_reader=1, min_writer=1)

    queue = Earlier(world.client("earlier"), janitor=False, segment_items=3)
    store = world.client("anybody")
    store.commit([Delete("/queue/parked")], store.now() + 9)  # as that release makes it
    keeper = Queue(world.client("keeper"), janitor=False)
    queue.put(b"x")
    drained(queue)
    idle(keeper, world)
    assert used(world) == {"100"}
    keeper.put(b"y", priority=7)
    assert drained(queue) == [b"y"]
    queue.close()
    keeper.upgrade(force=True)
    idle(keeper, world)
    assert not used(world)
    keeper.put(b"z", priority=7)
    assert drained(keeper) == [b"z"]


def test_a_priority_that_somebody_deleted_stops_nobody(queue: Queue, world: World) -> None:
    """A consumer that had read it goes on without it."""
    queue.put(b"x", priority=7)
    queue.put(b"y")
    drained(queue)
    store = world.client("anybody")
    for path in ("/queue/items/007/0000000000", "/queue/items/007"):
        store.commit([Delete(path)], store.now() + 9)
    queue.put(b"z")
    assert drained(queue) == [b"z"]
    queue.put(b"w", priority=7)
    assert drained(queue) == [b"w"]
