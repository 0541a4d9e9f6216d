"""What operators see of items that nobody holds, and a consumer of those that it holds."""

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault
from worlds.memory.queues import Open, janitor_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.operating import inspection
from zkmq.putting.entry import Entry
from zkmq.zookeeper.store import Create


def test_delayed_items_are_shown_in_the_order_in_which_they_are_due(
    world: World, queue: Queue
) -> None:
    """New ones and released ones, with when and with what they were put."""
    queue.put_many(
        [
            Entry(data=b"later", delay_s=600.0, priority=7),
            Entry(data=b"soon", delay_s=90.0, headers={"a": "b"}),
            Entry(data=b"now"),
        ]
    )
    (item,) = queue.reserve(sync=True).items
    put_ms = world.clock_ms()
    queue.release(item, delay_s=300.0)
    found = queue.peek(9, place="delayed")
    assert [(each.data, each.priority, each.deliveries) for each in found] == [
        (b"soon", 100, 0),
        (b"now", 100, 1),
        (b"later", 7, 0),
    ]
    assert found[0].headers == {"a": "b"}
    for each, delay_s in zip(found, (90, 300, 600), strict=True):
        assert each.due_ms is not None
        assert abs(each.due_ms - put_ms - delay_s * 1000) < 1000
    assert queue.peek(1, place="delayed") == found[:1]
    assert queue.stats().delayed == 3


def test_foreign_nodes_among_the_delayed_are_not_shown(world: World, queue: Queue) -> None:
    """Whoever made them; and an empty place is none."""
    assert queue.peek(9, place="delayed") == []
    queue.put(b"a", delay_s=60.0)
    (bucket,) = {path for path in world.dump() if path.rpartition("/")[0] == "/queue/delayed"}
    foreign = world.client("foreign")
    for path in ("/queue/delayed/foreign", f"{bucket}/foreign"):
        foreign.commit([Create(path)], world.scheduler.now_s + 9)
    assert [each.data for each in queue.peek(9, place="delayed")] == [b"a"]


def test_a_consumer_knows_what_it_holds(world: World, opened: Open, queue: Queue) -> None:
    """Also what it was never told of, because the answer to the claim was lost."""
    assert queue.held == ()
    queue.put_many([b"a", b"b", b"c"])
    first, second = queue.reserve(2).items
    assert queue.held == (first, second)
    assert opened("other").held == ()
    queue.done(first)
    assert queue.held == (second,)
    world.faults = Strike("reserve", Fault.LOSE_REPLY)
    (third,) = queue.reserve().items
    assert queue.held == (second, third)
    queue._store.expire()  # type: ignore[attr-defined]
    world.scheduler.sleep(1.0)
    assert queue.held == ()


def test_the_oldest_age_is_that_of_the_first_waiting_item(
    world: World, queue: Queue, opened: Open
) -> None:
    """By the servers' clock, from when it could first be delivered, also after it came back."""
    janitor = janitor_of(world)

    def oldest() -> int | None:
        swept(janitor, world)
        return opened("operator").stats().oldest_s

    assert oldest() is None
    queue.put(b"later", delay_s=60.0)
    assert oldest() is None
    queue.put(b"a", priority=900)
    world.scheduler.sleep(30.0)
    queue.put(b"b", priority=5)
    assert oldest() == 30
    world.scheduler.sleep(40.0)
    assert oldest() == 70
    b, later, a = queue.reserve(3, sync=True).items
    assert (b.data, later.data, a.data) == (b"b", b"later", b"a")
    queue.release(later)
    world.scheduler.sleep(10.0)
    assert oldest() == 10  # since the janitor moved it, when it was due
    queue.release(a)
    assert oldest() == 80
    queue.bury(b, *queue.reserve(2, sync=True).items, reason="bad")
    queue.kick(9)
    assert oldest() == 0


def test_without_a_janitor_the_oldest_age_is_by_the_own_clock(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since nobody writes the servers' time, and a look writes nothing."""
    queue.put(b"a")
    put_ms = world.clock_ms()
    monkeypatch.setattr(inspection, "wall_ms", lambda: put_ms + 17_500.0)
    before = len(world.leader.log)
    assert queue.stats().oldest_s == 17
    monkeypatch.setattr(inspection, "wall_ms", lambda: put_ms - 17_500.0)
    assert queue.stats().oldest_s == 0
    assert len(world.leader.log) == before


def test_the_oldest_age_knows_the_layout_of_the_original(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item in no segment counts, and comes before those in segments."""
    create = Create("/queue/items/item-100-0000000001", b"flat")
    world.client("other").commit([create], world.scheduler.now_s + 9)
    monkeypatch.setattr(inspection, "wall_ms", world.clock_ms)
    world.scheduler.sleep(50.0)
    queue.put(b"a")
    assert queue.stats().oldest_s == 50
    assert queue.stats().waiting == {100: 2}
