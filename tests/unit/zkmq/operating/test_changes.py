"""What an operator's calls did is told: how much, and at which zxid."""

from collections.abc import Sequence
from typing import Any

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import OutcomeUnknownError, Queue
from zkmq.operating.changes import Changed
from zkmq.operating.operator_queue import OperatorQueue
from zkmq.zookeeper.store import Code, Create, Delete, Op, Rejected


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


@pytest.mark.parametrize("denied", ["/queue/items/item-", "/queue/items/100"])
def test_a_purge_that_deleted_items_of_the_original_never_says_nothing_took_effect(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch, denied: str
) -> None:
    """Whether it then fails at the next of them, or at the first priority."""
    queue.put(b"a")
    store = world.clients[0]
    flat = [Create(f"/queue/items/item-100-000000000{number}", b"x") for number in range(2)]
    store.commit(flat, store.now() + 9)
    commit, deleted = store.submit, list[str]()

    def submit(ops: Sequence[Op]) -> Any:
        path = ops[0].path
        if isinstance(ops[0], Delete) and path.startswith("/queue/items/item-"):
            deleted.append(path)
        if any(op.path.startswith(denied) for op in ops) and deleted[:1] != [path]:
            return Denial()
        return commit(ops)

    monkeypatch.setattr(store, "submit", submit)
    with pytest.raises(OutcomeUnknownError):
        queue.purge()
    assert deleted[0] not in world.dump()


class Denial:
    """The answer to a write that the servers refuse to this client."""

    def reply(self, deadline_s: float) -> Rejected:
        return Rejected(0, Code.NO_AUTH)


def test_an_operator_may_close_twice_and_without_a_session(opened: Open, world: World) -> None:
    """As `with` does after a close by hand."""
    opened("client").put(b"a")
    store = world.client("operator")
    with OperatorQueue(store, close_store=True) as operator:
        operator.purge()
        operator.close()
    assert store.sessions[-1] not in world.leader.sessions
