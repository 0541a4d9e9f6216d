"""What an operator's calls did is told: how much, and at which zxid."""

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import OutcomeUnknownError, Queue
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


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST])
@pytest.mark.parametrize("label", ["kick", "purge"])
def test_a_change_in_doubt_is_settled_by_its_error(
    queue: Queue, world: World, label: str, fault: Fault
) -> None:
    """Write by write: the first is known, the second is in doubt, and the third was never sent."""
    world.session_timeout_s = 1000
    queue.deadline_s = 20.0
    buried(queue, 250)
    for priority in (5, 7, 9):
        queue.put(b"a", priority=priority)
    world.faults = Strike(label, fault, times=10_000, skip=1)
    queue.deadline_s = 2.0
    with pytest.raises(OutcomeUnknownError) as caught:
        _ = queue.kick(250) if label == "kick" else queue.purge(5, 7, 9)
    world.faults = no_faults
    first, second = caught.value.resolve()
    took_effect = fault is Fault.LOSE_REPLY
    assert (first.took_effect, second.took_effect) == (True, took_effect)
    changed = sum(each.items for each in (first, second) if each.took_effect)
    left = queue.stats()
    if label == "kick":
        assert (changed, left.dead) == (200 if took_effect else 100, 250 - changed)
    else:
        assert changed == sum(count == 0 for p, count in left.waiting.items() if p != 100)


def test_nothing_to_do_has_no_zxid(queue: Queue, opened: Open) -> None:
    """What wrote nothing took effect nowhere."""
    assert queue.kick(5) == Changed(0, None)
    assert opened("other").purge(900) == Changed(0, None)
