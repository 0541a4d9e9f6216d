"""The janitor: one is elected, another takes over, and what nobody needs goes."""

import pytest

from worlds.memory.network import Request
from worlds.memory.queues import Open, drained, janitor_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import ClosedError, NoQuorumError
from zkmq.janitor.delayed_mover import KEPT_MINUTES
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.janitor.sweeper import LAST_IN_EPOCH
from zkmq.tree import envelope
from zkmq.zookeeper.store import Create, Delete, SetData


def test_one_is_elected(queue: Queue, world: World) -> None:
    """The second works only when the first has gone."""
    first, second = janitor_of(world), janitor_of(world)
    assert first.step(world.scheduler.now_s + 9)
    assert not second.step(world.scheduler.now_s + 9)
    first._store.close()
    world.scheduler.sleep(0.1)
    assert second.step(world.scheduler.now_s + 9)


def test_a_new_session_is_elected_anew(queue: Queue, world: World) -> None:
    """A janitor whose session ended does nothing until it has the lock again."""
    janitor = janitor_of(world)
    swept(janitor, world)
    janitor._store.expire()
    world.scheduler.sleep(5)
    swept(janitor, world)
    lock = world.leader.tree.nodes["/queue/gc-lock"]
    assert lock.owner == janitor._store.session_id


def test_another_is_woken_when_the_elected_one_goes(queue: Queue, world: World) -> None:
    """Nobody waits for a period to pass."""
    first, second = janitor_of(world), janitor_of(world)
    first.step(world.scheduler.now_s + 9)
    second.step(world.scheduler.now_s + 9)
    first._store.close()
    assert second.wake.wait(world.scheduler.now_s + 1)


def test_purged_items_are_removed(queue: Queue, world: World) -> None:
    """What a purge only hid is deleted later."""
    queue.put_many([b"x"] * 10)
    queue.purge()
    swept(janitor_of(world), world)
    (segment,) = world.leader.tree.nodes["/queue/items/100"].children
    assert not world.leader.tree.nodes[f"/queue/items/100/{segment}"].children


def test_the_tail_is_never_removed(queue: Queue, world: World) -> None:
    """The segment that producers put into stays though it is empty."""
    queue.put(b"x")
    drained(queue)
    swept(janitor_of(world), world)
    assert world.leader.tree.nodes["/queue/items/100"].children == {"0000000000"}
    queue.put(b"y")
    assert drained(queue) == [b"y"]


def test_a_used_ticket_stays(queue: Queue, world: World) -> None:
    """Only a day without use makes a producer idle."""
    queue.put(b"x")
    janitor = janitor_of(world)
    world.scheduler.sleep(23 * 3600)
    swept(janitor, world)
    assert world.leader.tree.nodes["/queue/producers"].children == {queue.producer_id}


def test_empty_buckets_of_delayed_items_go(queue: Queue, world: World) -> None:
    """A minute is removed an hour after, not while somebody may still put there."""
    queue.put(b"x", delay_s=10)
    janitor = janitor_of(world)
    world.scheduler.sleep(120)
    swept(janitor, world)
    assert len(world.leader.tree.nodes["/queue/delayed"].children) == 1
    world.scheduler.sleep((KEPT_MINUTES + 2) * 60)
    swept(janitor, world, steps=2)
    assert not world.leader.tree.nodes["/queue/delayed"].children


def test_a_delayed_item_that_was_changed_meanwhile_is_not_skipped(
    queue: Queue, world: World
) -> None:
    """It is read again, and moved with the next step; the others go at once."""
    for data in (b"1", b"2"):
        queue.put(data, delay_s=1)
    (minute,) = world.leader.tree.nodes["/queue/delayed"].children
    first = f"/queue/delayed/{minute}/" + min(
        world.leader.tree.nodes[f"/queue/delayed/{minute}"].children
    )
    header, _ = envelope.unwrap(world.dump()[first])
    changed: list[int] = []

    def change(number: int, request: Request) -> None:
        if not changed and any(isinstance(o, Delete) and o.path == first for o in request.ops):
            changed.append(number)
            world.leader.multi(1, [SetData(first, envelope.wrap(b"changed", header), -1)])

    world.faults = change
    world.scheduler.sleep(5)
    swept(janitor_of(world), world, steps=2)
    assert changed
    assert queue.stats().skipped == 0
    assert sorted(drained(queue)) == [b"2", b"changed"]


def test_a_delayed_item_that_names_no_priority_has_the_default(queue: Queue, world: World) -> None:
    """It is moved as an item that was put without one."""
    queue.put(b"x", delay_s=1)
    (minute,) = world.leader.tree.nodes["/queue/delayed"].children
    store = world.client("foreign")
    bare = Create(f"/queue/delayed/{minute}/d-100-bare-1", envelope.wrap(b"y", {"delay_s": 1}))
    store.commit([bare], store.now() + 1)
    world.scheduler.sleep(5)
    swept(janitor_of(world), world, steps=2)
    assert (queue.stats().skipped, queue.stats().waiting) == (0, {100: 2})


def test_the_line_gets_a_new_epoch_in_time(queue: Queue, world: World) -> None:
    """Long before a sequence number overflows; the old epoch goes when nobody stands in it."""
    store = world.client("waiter")
    epoch = "/queue/waiting/0000000000"
    waiter = f"{epoch}/w-0-{LAST_IN_EPOCH:010d}"
    store.commit([Create(epoch), Create(waiter, ephemeral=True)], store.now() + 1)
    janitor = janitor_of(world)
    swept(janitor, world)
    assert world.leader.tree.nodes["/queue/waiting"].children == {"0000000000", "0000000001"}
    store.close()
    swept(janitor, world)
    assert world.leader.tree.nodes["/queue/waiting"].children == {"0000000001"}


def test_redelivery_does_not_wait_for_a_look(opened: Open, world: World) -> None:
    """The end of a session wakes the janitor by a watch."""
    consumer = opened("consumer")
    consumer.reserve()
    janitor = janitor_of(world)
    swept(janitor, world)
    consumer._store.expire()
    assert janitor.wake.wait(world.scheduler.now_s + 1)


def test_work_of_the_living_does_not_wake_it(opened: Open, world: World) -> None:
    """A consumer writes with each of its calls; a janitor that looked each time would do so too."""
    consumer = opened("consumer")
    consumer.put_many([b"x", b"y"])
    (item,) = consumer.reserve().items
    janitor = janitor_of(world)
    swept(janitor, world)
    janitor.wake.wait(world.scheduler.now_s)  # its own lock's creation
    consumer.done(item)
    consumer.reserve()
    assert not janitor.wake.wait(world.scheduler.now_s + 1)


def test_the_thread_goes_on_after_an_error(
    queue: Queue, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error is logged and the next round tries again; a closed client ends the thread."""
    janitor = janitor_of(world)
    outcomes = iter([NoQuorumError("nobody answers"), ClosedError("closed")])

    def step(deadline_s: float) -> bool:
        raise next(outcomes)

    monkeypatch.setattr(janitor, "step", step)
    JanitorThread(janitor, janitor._store)._run()
    assert [record.getMessage() for record in caplog.records] == ["janitor: nobody answers"]
