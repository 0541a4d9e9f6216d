"""Taking back what the dead hold: to the old place, counted, and never from the living."""

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import Queue, Returned
from zkmq.janitor.claim_returner import ClaimReturner, OnReturned
from zkmq.janitor.reaper import CLAIMS_PER_MULTI, Reaper
from zkmq.tree import envelope
from zkmq.tree.paths import QueueTree


@pytest.fixture
def producer(opened: Open) -> Queue:
    """Give a client that survives."""
    return opened("producer")


def reaper_of(store: MemoryStore, on_returned: OnReturned | None = None) -> Reaper:
    """Make the reaper of a janitor."""
    tree = QueueTree("/queue")
    return Reaper(store, tree, ClaimReturner(store, tree, on_returned))


def died(queue: Queue, world: World) -> None:
    """Let a client's process die and its session time out."""
    queue._store.crash()
    world.scheduler.sleep(world.session_timeout_s + 1)


def test_a_dead_consumers_items_come_back_in_place(
    opened: Open, producer: Queue, world: World
) -> None:
    """They are delivered again, before what is younger, and the registration is gone."""
    producer.put_many([b"1", b"2", b"3"])
    consumer = opened("consumer")
    consumer.reserve(2)
    died(consumer, world)
    swept(janitor_of(world), world)
    items = producer.reserve(3).items
    assert [(item.data, item.delivery) for item in items] == [(b"1", 2), (b"2", 2), (b"3", 1)]
    assert consumer.consumer_id not in world.leader.tree.nodes["/queue/consumers"].children


def test_partial_puts_them_aside(opened: Open, producer: Queue, world: World) -> None:
    """By the consumer's own choice they wait in partial, until somebody kicks them."""
    producer.put(b"x")
    consumer = opened("consumer", on_crash="partial")
    consumer.reserve()
    owner = consumer.consumer_id
    died(consumer, world)
    swept(janitor_of(world), world)
    assert drained(producer) == []
    (kept,) = (data for path, data in world.dump().items() if path.startswith("/queue/partial/i"))
    assert envelope.unwrap(kept)[0]["last_owner"] == owner
    (aside,) = producer.peek(place="partial")
    assert (aside.data, aside.reason) == (b"x", "its consumer died or held it too long")
    assert producer.kick(1, place="partial").count == 1
    assert drained(producer) == [b"x"]


def test_the_last_delivery_of_a_dead_consumer(opened: Open, producer: Queue, world: World) -> None:
    """An item that kills its consumers ends up dead."""
    producer.put(b"poison")
    consumer = opened("consumer", max_deliveries=1)
    consumer.reserve()
    died(consumer, world)
    swept(janitor_of(world), world)
    assert [each.data for each in producer.peek(place="dead")] == [b"poison"]


def test_the_living_are_left_alone(opened: Open, producer: Queue, world: World) -> None:
    """A reaper that believes a living consumer dead is refused by the server."""
    producer.put(b"x")
    consumer = opened("consumer")
    (item,) = consumer.reserve().items
    store = world.client("reaper")
    reaper_of(store).reap(consumer.consumer_id or "", store.now() + 5)
    assert consumer.done(item).zxid


def test_more_than_one_multi_of_claims(opened: Open, producer: Queue, world: World) -> None:
    """Many held items come back some at a time, none lost."""
    count = CLAIMS_PER_MULTI + 10
    producer.put_many([b"%04d" % number for number in range(count)])
    consumer = opened("consumer")
    while consumer.stats().held < count:
        consumer.reserve(500)
    died(consumer, world)
    swept(janitor_of(world), world)
    assert len(drained(producer)) == count


def test_what_is_returned_is_reported(opened: Open, producer: Queue, world: World) -> None:
    """Consumer, names, payloads, place and zxid of each move."""
    told: list[Returned] = []
    producer.put_many([b"1", b"2"])
    consumer = opened("consumer")
    items = consumer.reserve(2).items
    died(consumer, world)
    store = world.client("reaper")
    reaper_of(store, told.append).reap(items[0].consumer, store.now() + 5)
    names = tuple(item.name for item in items)
    assert told == [Returned(items[0].consumer, names, (b"1", b"2"), "items", world.leader.zxid)]


def test_two_reapers_at_once_do_no_harm(opened: Open, producer: Queue, world: World) -> None:
    """Whatever two janitors do at the same time, each item comes back once."""
    producer.put_many([b"%d" % number for number in range(9)])
    consumers = [opened(f"consumer-{number}") for number in range(3)]
    for consumer in consumers:
        consumer.reserve(3)
    for consumer in consumers:
        consumer._store.crash()
    world.scheduler.sleep(world.session_timeout_s + 1)
    for number in range(2):
        store = world.client(f"reaper-{number}")
        reaper = reaper_of(store)

        def reap(reaper: Reaper = reaper) -> None:
            for consumer in consumers:
                reaper.reap(consumer._consumer.membership._registration.consumer, 1e9)

        world.scheduler.spawn(f"reaper-{number}", reap)
    world.scheduler.join()
    assert sorted(data for _, data in places_of(world).items) == [b"%d" % n for n in range(9)]
    assert all(item.delivery == 2 for item in producer.reserve(9).items)


def test_only_what_is_overdue_is_taken(producer: Queue, world: World) -> None:
    """A hold without a limit is never taken from a living consumer."""
    janitor = janitor_of(world)
    producer.put(b"limited", ttr_s=5)
    producer.put(b"unlimited")
    _, unlimited = producer.reserve(2).items
    world.scheduler.sleep(4)
    swept(janitor, world)
    assert producer.stats().held == 2
    world.scheduler.sleep(100)
    swept(janitor, world)
    assert [data for _, data in places_of(world).claims] == [b"unlimited"]
    producer.done(unlimited)
