"""Registrations: one per session, never reused, and told at once when lost."""

from collections.abc import Sequence
from unittest import mock

import pytest

from worlds.memory.queues import Open, drained, janitor_of, swept
from worlds.memory.store import World
from zkmq import Hold, Item, Queue
from zkmq.errors import ConsumerLostError
from zkmq.tree.ticket import LAST, WORN
from zkmq.zookeeper.store import Op, Reply


def test_no_registration_before_the_first_reserve(queue: Queue) -> None:
    """A producer is no consumer."""
    queue.put(b"x")
    assert queue.consumer_id is None
    queue.reserve()
    assert queue.consumer_id is not None


def test_a_new_session_is_a_new_consumer(queue: Queue, world: World) -> None:
    """Ids are never used again, so that nothing of the old one can be mistaken for the new."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    first = queue.consumer_id
    queue._store.expire()
    world.scheduler.sleep(5)
    assert queue.consumer_id is None
    assert item.hold is Hold.LOST
    queue.reserve()
    assert queue.consumer_id not in {None, first}
    with pytest.raises(ConsumerLostError, match="or its session has ended"):
        queue.done(item)


def test_lost_is_told_once_with_the_items(opened: Open, world: World) -> None:
    """The callback hears of each lost item, once, from whoever finds out first."""
    told: list[tuple[str, Sequence[Item]]] = []
    queue = opened(lost=lambda consumer, items: told.append((consumer, items)))
    queue.put_many([b"1", b"2"])
    items = queue.reserve(2).items
    consumer = queue.consumer_id
    queue._store.expire()
    world.scheduler.sleep(30)
    assert told == [(consumer, list(items))]


def test_a_lost_callback_that_raises_hides_nothing(
    opened: Open, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The call gets its own error, others are told as well, and the log has what was raised."""
    told: list[Sequence[Item]] = []
    queue = opened(lost=mock.Mock(side_effect=ValueError("bad callback")))
    queue._consumer.lost_listeners.append(lambda _, items: told.append(items))
    queue.put(b"x")
    (item,) = queue.reserve().items
    queue._store.expire()
    with pytest.raises(ConsumerLostError):
        queue.done(item)
    assert told == [[item]]
    assert "bad callback" in caplog.text


def test_silence_for_the_whole_time_out_is_a_loss(opened: Open, world: World) -> None:
    """A client that is cut off concludes it from its own clock, without being told."""
    told: list[str] = []
    queue = opened(lost=lambda consumer, _items: told.append(consumer))
    queue.put(b"x")
    queue.reserve()
    queue._store.cut(100)
    world.scheduler.sleep(world.session_timeout_s + 1)
    assert len(told) == 1


def test_a_short_cut_loses_nothing(queue: Queue, world: World) -> None:
    """A connection that comes back in time keeps the registration and the items."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    consumer = queue.consumer_id
    queue._store.cut(world.session_timeout_s / 2)
    queue.done(item)
    assert queue.consumer_id == consumer


def test_close_gives_back_and_leaves(opened: Open, world: World) -> None:
    """Held items go back at once, and the registration goes."""
    queue, other = opened("one"), opened("other")
    queue.put_many([b"1", b"2"])
    queue.reserve(2)
    queue.close()
    assert world.leader.tree.nodes["/queue/consumers"].children == set()
    assert drained(other) == [b"1", b"2"]


def test_close_without_a_quorum_ends(opened: Open, world: World) -> None:
    """Closing never raises; the janitor does the rest when the session is over."""
    queue, other = opened("one"), opened("other")
    queue.put(b"x")
    queue.reserve()
    queue._store.cut(1000)
    queue.close()
    world.scheduler.sleep(30)
    swept(janitor_of(world), world)
    assert drained(other) == [b"x"]


def wear(queue: Queue, world: World, version: int) -> None:
    """Let a registration have done so many operations."""
    registration = queue._consumer.membership._registration
    assert registration is not None
    registration.ticket.version = version
    world.leader.tree.nodes[registration.ticket.path].version = version


def test_a_worn_registration_is_replaced_when_nothing_is_held(queue: Queue, world: World) -> None:
    """Also if what is held is always acknowledged with the next reserve."""
    queue.put_many([b"1", b"2", b"3"])
    held, other = queue.reserve(2).items
    worn = queue.consumer_id
    wear(queue, world, WORN)
    assert queue.reserve(done=[held]).items[0].data == b"3"
    assert queue.consumer_id == worn, "it still holds another"
    queue.done(other, *queue._consumer.membership.held[1:])
    queue.put(b"4")
    assert queue.reserve().items[0].data == b"4"
    assert queue.consumer_id != worn
    assert worn not in world.leader.tree.nodes["/queue/consumers"].children


def test_a_registration_whose_numbers_are_used_up_is_lost(opened: Open, world: World) -> None:
    """As if its session had ended: who never held nothing for so long is told."""
    lost: list[bytes] = []
    queue = opened(lost=lambda _, items: lost.extend(item.data for item in items))
    queue.put(b"1")
    (item,) = queue.reserve().items
    wear(queue, world, LAST)
    with pytest.raises(ConsumerLostError):
        queue.done(item)
    assert lost == [b"1"]
    queue.reserve()
    swept(janitor_of(world), world)
    assert drained(queue) == [b"1"]


def test_ctrl_c_leaves_a_done_in_doubt(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call finds out what became of it, and works."""
    queue.put_many([b"1", b"2"])
    (item,) = queue.reserve().items
    submit = queue._bound.submit

    def interrupt(ops: Sequence[Op], deadline_s: float) -> Reply:
        submit(ops)
        raise KeyboardInterrupt

    monkeypatch.setattr(queue._bound, "commit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        queue.done(item)
    monkeypatch.undo()
    assert [each.data for each in queue.reserve().items] == [b"2"]
    assert item.hold is Hold.DONE
