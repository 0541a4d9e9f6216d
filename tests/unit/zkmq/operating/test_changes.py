"""What an operator's calls did is told: how much, and at which zxid."""

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import Queue
from zkmq.operating.changes import Changed


def buried(queue: Queue, count: int) -> None:
    """Put items aside."""
    queue.put_many([b"x"] * count)
    queue.bury(*queue.reserve(count).items, reason="bad")


@pytest.mark.parametrize("count", [1, 250])
def test_kick_tells_the_zxid_of_its_last_write(queue: Queue, world: World, count: int) -> None:
    """However many writes it took, nothing of it comes after that zxid."""
    buried(queue, count)
    assert queue.kick(count) == Changed(count, world.leader.zxid)


def test_purge_tells_the_zxid_of_its_last_write(queue: Queue, world: World) -> None:
    """A priority that nobody used takes no write, and no zxid away."""
    queue.put(b"a", priority=5)
    queue.put(b"b", priority=7)
    assert queue.purge(5, 7, 900) == Changed(2, world.leader.zxid)


def test_nothing_to_do_has_no_zxid(queue: Queue, opened: Open) -> None:
    """What wrote nothing took effect nowhere."""
    assert queue.kick(5) == Changed(0, None)
    assert opened("other").purge(900) == Changed(0, None)
