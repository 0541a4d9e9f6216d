"""What years of use leave behind in a client, and in the tree, is bounded."""

import gc
import weakref

import pytest

from worlds.memory.queues import Open, drained, janitor_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree.bounded_set import BoundedSet
from zkmq.tree.paths import QueueTree
from zkmq.tree.time_buckets import TimeBuckets
from zkmq.zookeeper.store import Code, Create


def test_a_set_that_forgets_keeps_the_last() -> None:
    """What is added again counts as the latest."""
    recent = BoundedSet(3)
    for text in "abcad":
        recent.add(text)
    assert [text in recent for text in "abcd"] == [True, False, True, True]
    assert len(recent) == 3


def test_buckets_of_years_are_not_remembered(queue: Queue, world: World) -> None:
    """Forgetting one costs a refused creation, and no more."""
    buckets = TimeBuckets(queue._bound, "/queue/delayed", 60_000)
    for number in range(3000):
        buckets.ready(number, world.scheduler.now_s + 9)
    assert len(buckets._made) <= 1000
    assert buckets.ready(0, world.scheduler.now_s + 9) == "/queue/delayed/0000000000"


def test_segments_that_are_gone_are_not_remembered_for_ever(queue: Queue) -> None:
    """A consumer that returns an item to a new segment each second does not grow."""
    return_places = ReturnPlaces(
        QueueTree("/queue"), TailSegments(queue._bound, QueueTree("/queue"), 3)
    )
    for number in range(3000):
        path = f"/queue/items/100/{number:010d}"
        assert return_places.learn(
            Create(f"{path}/item-100-{number:010d}-0000000000.001", b"x"), Code.NO_NODE
        )
        assert return_places.learn(Create(f"{path}r"), Code.NODE_EXISTS)
    assert len(return_places._gone) <= 1000
    assert len(return_places._made) <= 1000


@pytest.mark.parametrize("batch", [1, 2])
def test_returns_to_the_back_roll_their_segment(queue: Queue, world: World, batch: int) -> None:
    """A consumer that only gives back, to a queue that nobody puts into, leaves small segments."""
    queue.put_many([b"1", b"2"])
    for _ in range(30):
        items = queue.reserve(batch, sync=True).items
        queue.release(*items, to="back")
        nodes = world.leader.tree.nodes
        lane = nodes["/queue/items/100"].children
        assert all(nodes[f"/queue/items/100/{each}"].creations <= 4 for each in lane)
    assert world.leader.tree.nodes["/queue/items/100"].version >= 30 * batch // 4 - 1
    swept(janitor_of(world), world)
    assert sorted(drained(queue)) == [b"1", b"2"]


def test_consumers_that_each_return_one_item_roll_too(opened: Open, world: World) -> None:
    """Each learns from the number of its item how full the segment is."""
    queue = opened()
    queue.put(b"1")
    for number in range(12):
        consumer = opened(f"consumer-{number}")
        for _ in range(2):
            (item,) = consumer.reserve(sync=True).items
            consumer.release(item, to="back")
        consumer.close()
    assert world.leader.tree.nodes["/queue/items/100"].version >= 3
    assert drained(queue) == [b"1"]


def test_a_queue_that_was_closed_is_freed(world: World) -> None:
    """Though the store that it used goes on, and serves a thousand more."""
    store = world.client("shared")
    freed: list[weakref.ref[object]] = []
    for _ in range(20):
        queue = Queue(store, janitor=False)
        queue.put(b"x")
        queue.done(*queue.reserve(sync=True).items)
        freed.append(weakref.ref(queue._consumer.membership))
        queue.close()
    del queue
    gc.collect()
    assert not any(each() for each in freed)
    assert not store._lost_callbacks
