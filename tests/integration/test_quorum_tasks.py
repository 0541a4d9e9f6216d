"""The asyncio queue on five servers, whose leader is killed."""

import asyncio

import pytest

from cluster.quorum import DockerQuorum
from worlds.tasks import leader_kills

pytestmark = pytest.mark.docker

ITEMS = 1000


def test_tasks_lose_nothing_when_the_leader_dies(quorum: DockerQuorum) -> None:
    """1,000 items through 200 tasks while the leader is killed: each is handled, once.

    `worlds/tasks/leader_kills.py` runs 10,000 by hand.
    """
    kills = leader_kills.LeaderKiller(quorum, every_s=1.0, down_s=3.0, most=2)
    kills.start()
    try:
        made = asyncio.run(leader_kills.crowd(quorum.hosts, ITEMS, 200, 0.3))
    finally:
        kills.stop()
    assert kills.count > 0
    assert made.put == set(range(ITEMS))
    assert set(made.handled) == made.put
    assert max(made.handled.values()) == 1
