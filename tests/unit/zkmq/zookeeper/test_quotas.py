"""At a full quota what only deletes goes on, the rest fails without effect, and nothing is lost."""

import logging
from collections.abc import Callable

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from worlds.memory.zookeeper import Quota
from zkmq import PartlyPutError, Queue, ServerRefusedError
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.tree.paths import QueueTree
from zkmq.tree.skipped_nodes import TRY_AGAIN_SOON_S

TREE = QueueTree("/queue")
BELOW = ("count", "size")


def filled(world: World, kind: str, *, over: int = 0) -> None:
    """Set a quota that is used up; `over` that many more would have to go."""
    nodes = {path: data for path, data in world.dump().items() if path.startswith("/queue")}
    used = len(nodes) if kind == "count" else sum(map(len, nodes.values()))
    world.leader.quotas["/queue"] = Quota(**{kind: used - over})


CALLS: dict[str, Callable[[Queue], object]] = {
    "put": lambda queue: queue.put(b"a" * 100),
    "put to a new priority": lambda queue: queue.put(b"a" * 100, priority=7),
    "put later": lambda queue: queue.put(b"a" * 100, delay_s=5),
    "put once": lambda queue: queue.put(b"a" * 100, dedup_id="a"),
    "put many": lambda queue: queue.put_many([b"a" * 100, b"b" * 100]),
    "reserve": lambda queue: queue.reserve(),
    "reserve and wait": lambda queue: queue.reserve(timeout_s=9),
    "kick": lambda queue: queue.kick(1),
    "purge": lambda queue: queue.purge(),
}


@pytest.mark.parametrize("kind", BELOW)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_needs_room_fails_at_once_and_changes_nothing(
    queue: Queue, opened: Open, world: World, kind: str, call: Callable[[Queue], object]
) -> None:
    """The error says that nothing took effect, and names the quota."""
    queue.put_many([b"1", b"2"])
    queue.bury(*queue.reserve().items, reason="bad")
    filled(world, kind)
    before, began_s = places_of(world), world.scheduler.now_s
    with pytest.raises(ServerRefusedError, match="QuotaExceeded") as refused:
        call(opened("other"))
    assert refused.value.definite
    assert refused.value.code == -125
    assert places_of(world) == before
    assert world.scheduler.now_s - began_s < 1


@pytest.mark.parametrize("over", [0, 3])
@pytest.mark.parametrize("kind", BELOW)
@pytest.mark.parametrize("before", ["reserve", "touch"])
def test_done_and_touch_work_at_a_full_quota(
    queue: Queue, world: World, kind: str, over: int, before: str
) -> None:
    """Also where more is used than the quota allows, since it was lowered."""
    queue.put_many([b"1", b"2", b"3"])
    first, second, third = queue.reserve(3).items
    if before == "touch":
        queue.touch(first)
    filled(world, kind, over=over)
    queue.touch(second)
    queue.done(first)
    queue.done(second, third)
    assert not places_of(world).claims


@pytest.mark.parametrize("kind", BELOW)
def test_an_acknowledgement_goes_through_though_the_claim_with_it_is_refused(
    queue: Queue, world: World, kind: str
) -> None:
    """It makes room, so that consumers drain a queue that has used up its quota."""
    for number in range(8):
        queue.put(b"%d" % number)
    taken = list(queue.reserve(2).items)
    filled(world, kind)
    data = [item.data for item in taken]
    for _ in range(10):
        found = queue.reserve(2, done=taken) if taken else queue.reserve(2)
        assert not taken or found.done is not None
        taken = list(found.items)
        data += [item.data for item in taken]
    assert data == [b"%d" % number for number in range(8)]


def test_puts_are_refused_one_by_one_until_there_is_room(queue: Queue, world: World) -> None:
    """`put_many` tells which of them are in the queue."""
    queue.put(b"0")
    filled(world, "count", over=-2)
    with pytest.raises(PartlyPutError) as partly:
        queue.put_many([b"1", b"2", b"3", b"4"], batch=1)
    assert len(partly.value.applied) == 2
    assert drained_without_room(queue, world) == [b"0", b"1", b"2"]


def drained_without_room(queue: Queue, world: World) -> list[bytes]:
    """Take what waits once the quota is gone."""
    world.leader.quotas.clear()
    return drained(queue)


@pytest.mark.parametrize("kind", BELOW)
def test_a_janitor_at_a_full_quota_does_what_it_can_and_the_rest_later(
    queue: Queue, opened: Open, world: World, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the dead held, what is due and what is overdue stays, and comes when there is room."""
    janitor = janitor_of(world)
    swept(janitor, world)
    queue.put_many([b"1", b"2", b"3"])
    queue.put(b"overdue", ttr_s=1)
    for _ in range(5):
        queue.put(b"due", delay_s=1)
    consumer = opened("dead")
    consumer.reserve(3)
    opened("slow").reserve()
    idle = opened("idle")
    idle.reserve(1)
    idle_id = str(idle.consumer_id)
    consumer._store.expire()
    idle._store.expire()
    world.scheduler.sleep(1)
    filled(world, kind)
    world.scheduler.sleep(20)
    requests = world.requests
    with caplog.at_level(logging.WARNING, "zkmq"):
        swept(janitor, world, steps=5)
    assert not janitor.busy
    assert world.requests - requests < 200
    assert TREE.consumer(idle_id) not in world.dump()
    world.leader.quotas.clear()
    world.scheduler.sleep(TRY_AGAIN_SOON_S + 1)
    swept(janitor, world, steps=10)
    assert sorted(drained(queue)) == [b"1", b"2", b"3", *[b"due"] * 5, b"overdue"]


def test_a_janitor_that_cannot_be_elected_for_a_quota_says_so(
    queue: Queue, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """And goes on trying."""
    queue.put(b"1")
    filled(world, "count")
    janitor = janitor_of(world)
    thread = JanitorThread(janitor, janitor._store)
    with caplog.at_level(logging.WARNING, "zkmq"):
        assert thread._round() > 0
    assert TREE.lock in caplog.text
    assert "QuotaExceeded" in caplog.text
    world.leader.quotas.clear()
    thread._round()
    assert janitor.elected


def test_an_item_that_cannot_be_buried_at_a_quota_is_skipped_for_a_moment(
    queue: Queue, opened: Open, world: World
) -> None:
    """The others are not held up, and it is buried when there is room."""
    queue.put(b"1", expires_s=1)
    queue.put(b"2")
    world.scheduler.sleep(5)
    other = opened("other")
    other.reserve(1)
    assert len(places_of(world).dead) == 1


def test_closing_at_a_full_quota_loses_nothing(queue: Queue, opened: Open, world: World) -> None:
    """What could not go back is the janitor's to return, when there is room."""
    queue.put_many([b"1", b"2"])
    other = opened("other")
    other.reserve(2)
    janitor = janitor_of(world)
    swept(janitor, world)
    filled(world, "count")
    other.close()
    other._store.close()
    world.scheduler.sleep(20)
    swept(janitor, world)
    world.leader.quotas.clear()
    world.scheduler.sleep(TRY_AGAIN_SOON_S + 1)
    swept(janitor, world, steps=2)
    assert drained(queue) == [b"1", b"2"]
