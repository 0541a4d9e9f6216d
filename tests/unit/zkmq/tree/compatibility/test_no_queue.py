"""A path at which there is no queue, or no more: calls say so, and looking changes nothing."""

from collections.abc import Callable

import pytest

from worlds.memory.queues import Open, janitor_of
from worlds.memory.store import World
from zkmq import Item, Queue
from zkmq.errors import IncompatibleTreeError
from zkmq.zookeeper.request_sizes import MAX_READS
from zkmq.zookeeper.store import Create, Delete, Denied, Op, Read, ReadResult

CALLS: dict[str, Callable[[Queue, Item], object]] = {
    "put": lambda queue, _: queue.put(b"x"),
    "put to a new priority": lambda queue, _: queue.put(b"x", priority=7),
    "delayed put": lambda queue, _: queue.put(b"x", delay_s=9),
    "put with an id": lambda queue, _: queue.put(b"x", dedup_id="x"),
    "put_many": lambda queue, _: queue.put_many([b"x"] * 20),
    "reserve": lambda queue, _: queue.reserve(),
    "reserve with sync": lambda queue, _: queue.reserve(sync=True),
    "reserve that waits": lambda queue, _: queue.reserve(timeout_s=1),
    "reserve with done": lambda queue, item: queue.reserve(done=[item]),
    "done": lambda queue, item: queue.done(item),
    "release": lambda queue, item: queue.release(item),
    "release to the back": lambda queue, item: queue.release(item, to="back"),
    "release later": lambda queue, item: queue.release(item, delay_s=9),
    "touch": lambda queue, item: queue.touch(item),
    "bury": lambda queue, item: queue.bury(item, reason="bad"),
    "kick": lambda queue, _: queue.kick(1),
    "peek": lambda queue, _: queue.peek(),
    "peek at the dead": lambda queue, _: queue.peek(place="dead"),
    "stats": lambda queue, _: queue.stats(),
    "purge": lambda queue, _: queue.purge(),
    "purge of one": lambda queue, _: queue.purge(100),
    "upgrade": lambda queue, _: queue.upgrade(),
}


def delete_tree(world: World, root: str) -> None:
    """Delete a whole tree, as an operator may by mistake."""
    store = world.client("operator")
    for path in sorted(world.dump(), key=len, reverse=True):
        if path == root or path.startswith(f"{root}/"):
            store.commit([Delete(path)], store.now() + 9)
    assert root not in world.dump()
    world.scheduler.sleep(0.1)


@pytest.mark.parametrize("name", list(CALLS))
def test_a_queue_that_was_deleted_is_an_error_in_every_call(
    queue: Queue, world: World, name: str
) -> None:
    """Zeros would mean an empty queue; and no call makes a tree anew."""
    queue.put_many([b"x", b"y"])
    (item,) = queue.reserve().items
    delete_tree(world, "/queue")
    for _ in range(2):
        with pytest.raises(IncompatibleTreeError, match="somebody has deleted it"):
            CALLS[name](queue, item)
        world.scheduler.sleep(1)
    assert not [path for path in world.dump() if path.startswith("/queue")]
    queue.close()


def test_the_janitor_of_a_deleted_queue_says_so(opened: Open, world: World) -> None:
    """Its thread logs it, and asks again, for the queue may be restored."""
    janitor = janitor_of(world, store=opened("janitor")._bound)
    delete_tree(world, "/queue")
    with pytest.raises(IncompatibleTreeError, match="somebody has deleted it"):
        janitor.step(world.scheduler.now_s + 9)


LOOKS: dict[str, Callable[[Queue], object]] = {
    "stats": lambda queue: queue.stats(),
    "peek": lambda queue: queue.peek(5),
    "peek at the dead": lambda queue: queue.peek(5, place="dead"),
}


@pytest.mark.parametrize("look", list(LOOKS))
def test_a_look_writes_nothing(opened: Open, queue: Queue, world: World, look: str) -> None:
    """Not even what a reserve would tidy up on its way."""
    for number in range(7):
        queue.put(b"%d" % number)
    for item in queue.reserve(7).items:
        queue.done(item)
    assert len(world.leader.tree.nodes["/queue/items/100"].children) > 1
    looking = opened("looking", make=False)
    before = world.leader.zxid
    LOOKS[look](looking)
    world.scheduler.sleep(1)
    assert world.leader.zxid == before


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        pytest.param({}, "no node", id="nothing"),
        pytest.param({"/other": b""}, "no node", id="elsewhere"),
        pytest.param({"/queue": b""}, "none yet", id="empty"),
        pytest.param({"/queue": b"", "/queue/items": b""}, "none yet", id="of-the-original"),
        pytest.param({"/queue": b"data"}, "a node with other data", id="data"),
        pytest.param({"/queue": b"{}"}, "a node with other data", id="json"),
    ],
)
def test_who_only_looks_makes_nothing(nodes: dict[str, bytes], found: str) -> None:
    """At a path that is no queue it is told so."""
    world = World(seed=1)
    store = world.client()
    for path, data in nodes.items():
        store.commit([Create(path, data)], store.now() + 9)
    before = world.dump()
    with pytest.raises(IncompatibleTreeError, match=found):
        Queue(world.client(), janitor=False, make=False)
    assert world.dump() == before


def test_a_foreign_node_is_no_place_for_a_queue() -> None:
    """With children of another program, nothing is added to them."""
    world = World(seed=1)
    store = world.client()
    for path in ("/queue", "/queue/brokers", "/queue/items"):
        store.commit([Create(path)], store.now() + 9)
    before = world.dump()
    with pytest.raises(IncompatibleTreeError, match=r"other children \(brokers\)"):
        Queue(world.client(), janitor=False)
    assert world.dump() == before


@pytest.mark.parametrize("children", [[], ["items"], ["items", "consumers", "partial", "gc-lock"]])
def test_an_empty_node_and_the_originals_tree_become_a_queue(children: list[str]) -> None:
    """An operator may make the node first, and the original leaves its root empty."""
    world = World(seed=1)
    store = world.client()
    for path in ("/queue", *(f"/queue/{child}" for child in children)):
        store.commit([Create(path)], store.now() + 9)
    queue = Queue(world.client(), janitor=False)
    queue.put(b"x")
    assert queue.reserve(sync=True).items[0].data == b"x"


def test_counting_asks_for_some_at_a_time(queue: Queue, world: World) -> None:
    """26,000 segments would not fit into one request."""
    queue.put(b"x")
    store = world.client("maker")
    for start in range(1, 26_000, 500):
        ops: list[Op] = [Create(f"/queue/items/100/{n:010d}") for n in range(start, start + 500)]
        store.submit(ops)
    world.scheduler.sleep(9)
    asked: list[int] = []
    read_many = queue._store.read_many

    def count(reads: list[Read], deadline_s: float, *, denied: Denied | None) -> ReadResult:
        asked.append(len(reads))
        return read_many(reads, deadline_s, denied=denied)

    queue._store.read_many = count  # type: ignore[method-assign, assignment]
    assert queue.stats().waiting == {100: 1}
    assert max(asked) <= MAX_READS + 1  # the charter comes along
    assert sum(asked) > 26_000
