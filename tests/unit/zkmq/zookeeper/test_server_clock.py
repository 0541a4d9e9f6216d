"""The servers' time, as a client knows it, is right also after its machine was suspended."""

import pytest

from worlds.memory.network import Fault, Request
from worlds.memory.queues import Open, places_of
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.errors import NoQuorumError
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Create

SUSPENDED_S = 5 * 3600.0


def suspend(world: World, queue: Queue) -> None:
    """Let hours pass in which the client's monotonic clock stands still. Its session ends."""
    store = queue._store
    assert isinstance(store, MemoryStore)
    world.set_clock(SUSPENDED_S)
    store.expire()
    world.scheduler.sleep(1)


def test_an_id_is_a_duplicate_also_after_a_suspend(world: World, opened: Open) -> None:
    """A client that took the old time for the new one would look in the hours before."""
    client, other = opened("client"), opened("other")
    client.put(b"old", dedup_id="1")
    suspend(world, client)
    other.put(b"new", dedup_id="2")
    assert client.put(b"again", dedup_id="2").duplicate
    assert not client.put(b"old", dedup_id="1").duplicate


def test_an_item_expires_also_during_a_suspend(world: World, queue: Queue) -> None:
    """The consumer that finds it afterwards makes it a dead letter."""
    queue.put_many([b"a", b"b"])
    queue.done(*queue.reserve().items)
    queue.put(b"x", priority=1, expires_s=3600)
    suspend(world, queue)
    assert [item.data for item in queue.reserve(2, sync=True).items] == [b"b"]
    assert places_of(world).dead == [(1, b"x")]


def test_the_time_costs_one_write_in_each_session(world: World, queue: Queue) -> None:
    """And none in the first one, in which the ticket's own node tells it."""
    queue.put(b"a")
    for number in range(3):
        queue.put(b"a", dedup_id=f"{number}")
    assert world.leader.tree.nodes["/queue/dedup"].version == 0
    suspend(world, queue)
    for number in range(3, 6):
        queue.put(b"a", dedup_id=f"{number}")
    assert world.leader.tree.nodes["/queue/dedup"].version <= 1


def test_a_node_that_is_not_there_yet_is_not_the_year_1970(world: World) -> None:
    """A server may lag behind what the client wrote in a session before; then it is asked."""
    store = world.client()
    store.commit([Create("/place")], store.now() + 9)
    world.scheduler.sleep(3)
    clock = ServerClock(store, "/place")
    assert abs(clock.now_ms("/not-there", store.now() + 9) - world.clock_ms()) < 100


def test_without_an_answer_there_is_no_time(world: World) -> None:
    """It is not guessed."""
    store = world.client()
    store.commit([Create("/place")], store.now() + 9)

    def lost(number: int, request: Request) -> Fault | None:
        return Fault.LOSE_REQUEST if request.ops else None

    world.faults = lost
    with pytest.raises(NoQuorumError, match="/place: no answer in time"):
        ServerClock(store, "/place").now_ms("/not-there", store.now() + 3)
