"""The servers in memory: what becomes of requests that were on their way as a connection broke."""

from unittest import mock

import pytest

from worlds.memory.network import Fault
from worlds.memory.store import World
from zkmq.zookeeper.store import Create


@pytest.mark.parametrize("moves", [False, True])
def test_a_late_request_of_a_session_that_moved_is_refused(
    world: World,
    moves: bool,  # noqa: FBT001 - parametrized
) -> None:
    """Also if the connection to which the session had moved is broken again by then."""
    client = world.client("late")
    world.faults = lambda *_: Fault.STALL
    client.submit([Create("/late")])
    world.faults = lambda *_: None
    with mock.patch.object(world.rng, "randrange", return_value=1):  # it is on its way
        client.cut(0.5 if moves else 5.0)
    world.scheduler.sleep(1.0)
    assert (client._connection is not None) is moves
    client.cut(5.0)
    world.scheduler.sleep(3.0)
    assert client._connection is None
    assert ("/late" in world.leader.tree.nodes) is not moves
