"""A pause holds for the consumers of all clients, and stops nothing else."""

import json

import pytest

from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained
from worlds.memory.store import World
from worlds.sim.editions import release
from zkmq import Queue
from zkmq.errors import ClientsTooOldError, OutcomeUnknownError
from zkmq.tree.compatibility.charter import PAUSE_VERSION, Charter, Edition
from zkmq.zookeeper.store import SetData

# The release before pauses.
BEFORE = Edition(PAUSE_VERSION - 1, 1, 2, ("parked",))


def test_nothing_is_taken_while_the_queue_is_paused(opened: Open, queue: Queue) -> None:
    """By whichever client, with sync or without; then all is there as it was."""
    other = opened("other")
    queue.put_many([b"a", b"b"])
    queue.pause("moving the database")
    for client in (queue, other, opened("later")):
        client._store.sleep(0.1)  # older than any look
        found = client.reserve(2)
        assert (found.items, found.paused, found.read_zxid) == ((), True, None)
        assert client.reserve(2, sync=True).paused
    assert other.stats().paused == "moving the database"
    other.resume()
    assert other.stats().paused is None
    assert drained(queue) == [b"a", b"b"]
    assert not queue.reserve().paused


def test_what_is_held_may_be_ended_in_a_pause(opened: Open, queue: Queue) -> None:
    """And puts go on; a reserve acknowledges what it is given."""
    queue.put_many([b"a", b"b", b"c"])
    first, second, third = queue.reserve(3).items
    opened("operator").pause()
    queue.done(first)
    found = queue.reserve(done=[second])
    assert (found.paused, found.done is not None) == (True, True)
    queue.release(third)
    queue.put(b"d")
    queue.resume()
    assert drained(queue) == [b"c", b"d"]


def test_a_reserve_that_waits_gets_its_item_soon_after_the_resume(
    world: World, opened: Open, queue: Queue
) -> None:
    """It waits through the pause, without looking all the time."""
    operator, began_s = opened("operator"), world.scheduler.now_s
    queue.pause()
    queue.put(b"a")

    def resume() -> None:
        world.scheduler.sleep(20.0)
        operator.resume()

    world.scheduler.spawn("operator", resume)
    before = world.requests
    (item,) = queue.reserve(timeout_s=60.0).items
    assert 20.0 <= world.scheduler.now_s - began_s <= 24.0
    assert world.requests - before < 150
    queue.done(item)
    world.scheduler.join()


def test_a_claim_that_meets_a_pause_is_the_last(world: World, opened: Open, queue: Queue) -> None:
    """What was looked for before may be taken, and nothing after it."""
    queue.put_many([b"a", b"b", b"c"])
    operator = opened("operator")
    assert [item.data for item in queue.reserve(1).items] == [b"a"]
    operator.pause()
    late = queue.reserve(1).items
    assert [item.data for item in late] in ([], [b"b"])
    assert queue.reserve(1, sync=True).items == ()
    assert queue.reserve(1).items == ()


def test_a_client_that_would_not_obey_is_named(opened: Open) -> None:
    """Nothing is changed then. With force, the others pause; producers do not count."""
    with release(BEFORE):
        old = opened("old", label="billing")
        opened("producer").put(b"a")
    queue = opened()
    queue.pause()
    queue.resume()
    old.reserve(sync=True).items[0].data  # noqa: B018 - registers
    with pytest.raises(ClientsTooOldError, match=r"label billing.*go on taking items") as refused:
        queue.pause()
    assert len(refused.value.clients) == 1
    assert queue.charter.paused is None
    queue.put(b"b")
    queue.pause(force=True)
    assert queue.reserve(sync=True).paused


def test_an_old_client_keeps_a_pause_that_it_does_not_know(opened: Open) -> None:
    """It reads, writes and even raises the charter, and the pause is still there."""
    with release(BEFORE):
        opened("maker")
    queue = opened()
    queue.pause("why")
    text = queue.charter.encode()
    before = Charter(others=json.loads(text))  # as a release decodes a key that it does not know
    assert Charter.decode("/queue", before.encode()).paused == "why"
    with release(BEFORE):
        old = opened("old")
    old.put(b"a")
    old.upgrade()
    assert opened("new").stats().paused == "why"


def test_a_damaged_pause_is_a_pause(queue: Queue) -> None:
    """The safe side: whoever wrote it wanted one."""
    value = json.loads(queue.charter.encode())
    assert Charter.decode("/queue", json.dumps(value | {"paused": 7}).encode()).paused == ""
    assert Charter.decode("/queue", json.dumps(value | {"paused": None}).encode()).paused is None


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_a_pause_whose_answer_is_lost_takes_effect_once(
    world: World, queue: Queue, fault: Fault
) -> None:
    """It is sent again, or found to have taken effect; to call it again changes nothing."""
    struck = []

    def strike(_: int, request: Request) -> Fault | None:
        if not struck and any(isinstance(op, SetData) for op in request.ops):
            struck.append(request)
            return fault
        return None

    world.faults = strike
    queue.pause("why")
    assert struck
    changes = len(world.leader.log)
    queue.pause("why")
    assert len(world.leader.log) == changes


def test_a_pause_without_an_answer_is_unknown(world: World, queue: Queue) -> None:
    """Neither done nor not done; called again, it is done."""
    queue.deadline_s = 0.5

    def strike(_: int, request: Request) -> Fault | None:
        return Fault.CUT if request.ops else None

    world.faults = strike
    with pytest.raises(OutcomeUnknownError):
        queue.pause()
    world.faults = no_faults
    world.scheduler.sleep(30.0)
    queue.pause()
    assert queue.charter.paused == ""
