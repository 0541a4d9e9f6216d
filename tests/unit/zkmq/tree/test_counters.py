"""Counters of ZooKeeper are int32 and wrap: near their ends the queue goes on, in order."""

from collections.abc import Callable

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from worlds.memory.zookeeper import StoredZnode, Tree
from zkmq import Queue
from zkmq.putting.tail_segments import next_version
from zkmq.tree import item_names
from zkmq.zookeeper.store import Create

LAST = 2**31 - 1
FIRST = "/queue/items/100/0000000000"
NUMBERS = [b"%02d" % number for number in range(20)]


def wind_on(world: World, path: str, change: Callable[[StoredZnode], None]) -> None:
    """Change a node's counters on every server, as years of use would have."""
    world.scheduler.sleep(1)
    trees: list[Tree] = [world.leader.tree, *(follower.tree for follower in world.followers)]
    for tree in trees:
        change(tree.nodes[path])


def at(version: int | None = None, creations: int | None = None) -> Callable[[StoredZnode], None]:
    """Set a counter."""

    def change(node: StoredZnode) -> None:
        node.version = node.version if version is None else version
        node.creations = node.creations if creations is None else creations

    return change


@pytest.mark.parametrize("last", [LAST - 3, LAST - 1, LAST])
def test_a_segments_numbers_run_out(opened: Open, world: World, last: int) -> None:
    """Its next item is put into the next segment, and none is lost or out of order."""
    first = opened("first", segment_items=1000)
    first.put(NUMBERS[0])
    wind_on(world, FIRST, at(creations=last))
    queue = opened("second")
    for number in NUMBERS[1:]:
        queue.put(number)
    assert drained(queue) == NUMBERS
    assert world.leader.tree.nodes["/queue/items/100"].version == 1


def test_a_number_below_zero_is_an_items(opened: Open, world: World) -> None:
    """A batch that wraps within one write loses nothing."""
    queue = opened("first", segment_items=1000)
    queue.put(NUMBERS[0])
    wind_on(world, FIRST, at(creations=LAST - 1))
    queue.put_many(NUMBERS[1:])
    names_put = world.leader.tree.nodes[FIRST].children
    assert any("--" in name for name in names_put)
    assert all(item_names.parse(name) for name in names_put)
    items = queue.reserve(20, sync=True).items
    queue.release(*items[:10])
    queue.done(*items[10:])
    assert sorted(data for _, data in places_of(world).items) == sorted(i.data for i in items[:10])
    assert len(drained(queue)) == 10


@pytest.mark.parametrize("version", [LAST - 1, LAST, -2, -(2**31)])
def test_a_guards_versions_run_out(opened: Open, world: World, version: int) -> None:
    """Rolls, returns and purges go on, by this client and by others."""
    queue, other = opened("first"), opened("other")
    queue.put(NUMBERS[0])
    wind_on(world, "/queue/items/100", at(version=version))
    for number in NUMBERS[1:10]:
        queue.put(number)
    for number in NUMBERS[10:]:
        other.put(number)
    (item,) = queue.reserve(sync=True).items
    queue.release(item)
    assert drained(other) == NUMBERS
    assert queue.purge().count == 1
    queue.put(b"after")
    assert drained(other) == [b"after"]


def test_a_version_is_an_int32() -> None:
    """What a client foresees is what the servers will have."""
    assert [next_version(each) for each in (0, LAST - 1, LAST, -1)] == [1, LAST, -LAST - 1, 0]


@pytest.mark.parametrize("version", [2**30 - 1, 2**30, LAST - 1, LAST])
def test_a_tickets_numbers_run_out(opened: Open, world: World, version: int) -> None:
    """Producer and consumer take new names, and every item is put and delivered once."""
    queue = opened("first")
    queue.put(NUMBERS[0])
    assert queue.reserve().items
    queue.release(*queue._consumer.membership.held)
    ticket = queue._puts.producer._producer_ticket.current
    registration = queue._consumer.membership._registration
    assert ticket is not None
    assert registration is not None
    for each in (ticket, registration.ticket):
        wind_on(world, each.path, at(version=version))
        each.version = version
    for number in NUMBERS[1:]:
        queue.put(number)
    assert drained(queue) == NUMBERS


@pytest.mark.parametrize("creations", [2**30 - 1, LAST - 1, LAST, -(2**31)])
def test_the_lines_numbers_run_out(
    queue: Queue, opened: Open, world: World, creations: int
) -> None:
    """The janitor opens a new line in time; if none runs, the order of arrival still holds."""
    store = world.client("waiter")
    epoch = "/queue/waiting/0000000000"
    store.commit([Create(epoch)], store.now() + 1)
    wind_on(world, epoch, at(creations=creations))
    queue.reserve(1, timeout_s=0.5)
    for number in range(4):
        place = Create(f"{epoch}/w-{number}-", ephemeral=True, sequence=True)
        store.commit([place], store.now() + 1)
    listed = item_names.waiters(world.leader.tree.nodes[epoch].children)
    assert [name[:4] for name in listed if name[3] == "-"] == ["w-0-", "w-1-", "w-2-", "w-3-"]
    swept(janitor_of(world), world)
    assert len(world.leader.tree.nodes["/queue/waiting"].children) == 2
    store.close()
    queue.put(b"x")
    assert opened("other").reserve(1, timeout_s=5).items


def test_the_janitors_clock_runs_over(queue: Queue, world: World) -> None:
    """A heartbeat every two seconds comes there after 136 years."""
    janitor = janitor_of(world)
    swept(janitor, world)
    wind_on(world, "/queue/clock", at(version=LAST))
    queue.put(b"x", delay_s=1)
    world.scheduler.sleep(5)
    swept(janitor, world, steps=3)
    assert drained(queue) == [b"x"]
