"""An item that has expired is not delivered; it is a dead letter."""

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import BadArgumentError
from zkmq.putting.entry import Entry
from zkmq.tree import envelope
from zkmq.zookeeper.store import SetData

REASON = "cannot be delivered: it expired 10 s after it was put"


def test_an_item_is_delivered_before_it_expires_and_never_after(
    world: World, opened: Open, queue: Queue
) -> None:
    """Others behind it are; it is among the dead letters, with the reason."""
    consumer = opened("consumer")
    queue.put_many([Entry(data=b"a", expires_s=10.0), Entry(data=b"b", expires_s=10.0)])
    queue.put(b"c")
    world.scheduler.sleep(9.0)
    (item,) = consumer.reserve(sync=True).items
    assert item.data == b"a"
    world.scheduler.sleep(2.0)
    (item,) = consumer.reserve(sync=True).items
    assert item.data == b"c"
    assert [(each.data, each.reason) for each in queue.peek(9, place="dead")] == [(b"b", REASON)]


def test_what_is_held_when_its_time_ends_can_be_acknowledged(world: World, queue: Queue) -> None:
    """It was delivered in time; the consumer's work counts."""
    queue.put(b"a", expires_s=10.0)
    (item,) = queue.reserve(sync=True).items
    world.scheduler.sleep(20.0)
    queue.done(item)
    assert queue.peek(place="dead") == []


def test_an_item_that_comes_back_keeps_its_time(world: World, queue: Queue) -> None:
    """A return makes a new node, whose age says nothing; the time of the put is kept."""
    queue.put(b"a", expires_s=10.0)
    for _ in range(3):
        (item,) = queue.reserve(sync=True).items
        queue.release(item)
        world.scheduler.sleep(3.0)
    (item,) = queue.reserve(sync=True).items
    world.scheduler.sleep(3.0)
    queue.release(item)
    assert queue.reserve(sync=True).items == ()
    assert queue.peek(place="dead")[0].reason == REASON


def test_what_a_dead_consumer_held_keeps_its_time(world: World, opened: Open, queue: Queue) -> None:
    """The janitor brings it back as it was, and it expires as it would have."""
    dying = opened("dying")
    queue.put_many([Entry(data=b"a", expires_s=10.0), Entry(data=b"b", expires_s=100.0)])
    assert len(dying.reserve(2, sync=True).items) == 2
    dying._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20.0)
    swept(janitor_of(world), world, 2)
    assert drained(queue) == [b"b"]
    assert [each.data for each in queue.peek(place="dead")] == [b"a"]


def test_the_time_of_a_delayed_item_begins_when_it_is_due(world: World, queue: Queue) -> None:
    """Before that it could not have been delivered."""
    queue.put(b"a", delay_s=30.0, expires_s=10.0)
    world.scheduler.sleep(31.0)
    swept(janitor_of(world), world, 2)
    world.scheduler.sleep(8.0)
    (item,) = queue.reserve(sync=True).items
    assert item.data == b"a"


def test_kick_starts_the_time_again(world: World, queue: Queue) -> None:
    """An operator who brings an item back wants it to be delivered."""
    queue.put(b"a", expires_s=10.0)
    (item,) = queue.reserve(sync=True).items
    world.scheduler.sleep(20.0)
    queue.release(item)
    assert queue.reserve(sync=True).items == ()
    assert queue.kick(1).count == 1
    world.scheduler.sleep(5.0)
    (item,) = queue.reserve(sync=True).items
    assert item.data == b"a"


def test_a_time_that_is_none_is_refused(queue: Queue) -> None:
    """Zero, less, or no number."""
    for expires_s in (0, -1.0, float("nan"), "10"):
        with pytest.raises(BadArgumentError, match="put: expires_s: expected"):
            queue.put(b"a", expires_s=expires_s)  # type: ignore[arg-type]


def test_many_expired_items_stop_no_consumer(world: World, queue: Queue) -> None:
    """A reserve goes past all of them to the one that can be delivered."""
    queue.put_many([Entry(data=b"%d" % number, expires_s=1.0) for number in range(30)])
    queue.put(b"last")
    world.scheduler.sleep(5.0)
    (item,) = queue.reserve(sync=True).items
    assert item.data == b"last"
    assert queue.stats().dead == 30


def test_what_a_rest_client_holds_in_place_does_not_expire(world: World, queue: Queue) -> None:
    """It may acknowledge the item after its time, as any consumer; then it is gone."""
    owner = Queue(world.client("owner"), janitor=False)
    owner.reserve()
    put = queue.put(b"x", expires_s=5)
    path = f"/queue/items/100/0000000000/{put.name}"
    tag = envelope.wrap(b"x", {"expires_s": 5, "deliveries": 1, "owner": owner.consumer_id})
    world.leader.multi(1, [SetData(path, tag, 0)])
    world.scheduler.sleep(7)
    assert queue.reserve(sync=True).items == ()
    assert places_of(world).items == [(100, b"x")]
    owner.close()
    assert queue.reserve(sync=True).items == ()
    assert places_of(world).dead == [(100, b"x")]


def test_more_expired_items_than_a_call_can_bury_are_no_outage(world: World, queue: Queue) -> None:
    """A reserve that gets no further by its deadline says that it did not look to the end."""
    queue.put_many([Entry(data=b"x", expires_s=1) for _ in range(400)])
    queue.put(b"y")
    world.scheduler.sleep(5)
    queue.deadline_s = 1.0
    found = queue.reserve()
    assert (found.items, found.read_zxid, found.looked) == ((), None, False)
    queue.deadline_s = 30.0
    assert [item.data for item in queue.reserve().items] == [b"y"]
