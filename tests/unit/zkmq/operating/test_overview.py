"""A look at all of a queue, and the rates between two looks."""

from worlds.memory.queues import Open, janitor_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.operating.overview import Rates, rates


def slept(world: World, until_s: float) -> None:
    """Let the time go on until then."""
    world.scheduler.sleep(until_s - world.scheduler.now_s)


def test_rates_are_of_the_time_between_two_looks(world: World, queue: Queue, opened: Open) -> None:
    """What came, was taken and ended, also when the tail moves on meanwhile."""
    operator = opened("operator")
    queue.put_many([b"a", b"b"])
    before = operator.overview()
    queue.put_many([b"c"] * 10)  # segments have three items
    queue.put_many([b"d"] * 4, priority=5)
    first, *rest = queue.reserve(6, sync=True).items
    queue.done(first, rest[0])
    slept(world, before.at_s + 10.0)
    now = operator.overview()
    passed_s = now.at_s - before.at_s
    assert rates(before, now, 3) == Rates(14 / passed_s, 6 / passed_s, 2 / passed_s)
    queue.done(*rest[1:], *queue.reserve(10, sync=True).items)
    queue.put(b"e")
    world.scheduler.sleep(1.0)
    queue.reserve(2, sync=True)  # a look drops drained segments
    last = operator.overview()
    passed_s = last.at_s - now.at_s
    assert rates(now, last, 3) == Rates(1 / passed_s, 11 / passed_s, 14 / passed_s)


def test_what_returns_comes_again(queue: Queue) -> None:
    """So a failing consumer is seen to take, though nothing ends."""
    queue.put_many([b"a"] * 4)
    before = queue.overview()
    for _ in range(3):
        queue.release(*queue.reserve(2, sync=True).items)
    now = queue.overview()
    passed_s = now.at_s - before.at_s
    assert rates(before, now) == Rates(6 / passed_s, 6 / passed_s, 6 / passed_s)


def test_a_rate_exact_within_one_segment(world: World) -> None:
    """Of the usual size, in which most looks find the same tail."""
    queue = Queue(world.client("wide"), "/wide", janitor=False)
    queue.put_many([b"a"] * 20)
    before = queue.overview()
    queue.put_many([b"b"] * 30)
    queue.bury(*queue.reserve(25, sync=True).items, reason="bad")
    now = queue.overview()
    passed_s = now.at_s - before.at_s
    assert rates(before, now) == Rates(30 / passed_s, 25 / passed_s, 25 / passed_s)


def test_a_purge_leaves_no_rate(queue: Queue) -> None:
    """Since nobody can tell what came between it and the looks; nor can two looks at once."""
    queue.put(b"a")
    before = queue.overview()
    assert rates(before, before) is None
    queue.purge()
    assert rates(before, queue.overview()) is None


def test_consumers_are_shown_with_what_they_hold(world: World, queue: Queue, opened: Open) -> None:
    """Those whose session lives; nothing is written by the look."""
    queue.put_many([b"a", b"b", b"c"])
    worker, other = opened("worker", label="billing"), opened("other")
    assert len(worker.reserve(2, sync=True).items) == 2
    other.reserve(sync=True)
    world.clients[-1].crash()
    world.scheduler.sleep(60.0)
    before = len(world.leader.log)
    found = queue.overview()
    assert len(world.leader.log) == before
    (one,) = found.consumers
    assert (one.registered.id, one.held) == (worker.consumer_id, 2)
    assert "label billing" in one.registered.about
    assert found.stats.consumers == 2  # the dead one, too, until a janitor removes it


def test_how_long_a_consumer_has_held_its_oldest_item_is_shown(
    world: World, queue: Queue, opened: Open
) -> None:
    """By the servers' clock, since it was claimed, whatever was touched; those with most first."""
    janitor = janitor_of(world)
    queue.put_many([b"%d" % number for number in range(9)])
    few, many, idle = opened("few"), opened("many"), opened("idle")
    (first,) = few.reserve(sync=True).items
    slept(world, world.scheduler.now_s + 30)
    many.reserve(7, sync=True)
    assert len(idle.reserve(sync=True).items) == 1
    idle.done(*idle.held)
    few.touch(first)
    slept(world, world.scheduler.now_s + 10)
    swept(janitor, world)
    found = [(each.registered.id, each.held, each.held_s) for each in queue.overview().consumers]
    assert found == [
        (many.consumer_id, 7, 10),
        (few.consumer_id, 1, 40),
        (idle.consumer_id, 0, None),
    ]


def test_what_a_consumer_holds_that_may_not_be_read_is_left_out(
    world: World, queue: Queue, opened: Open
) -> None:
    """And with what one consumer holds, another is shown."""
    queue.put_many([b"1", b"2", b"3"])
    one, other = opened("one"), opened("other")
    items = one.reserve(2, sync=True).items
    other.reserve(sync=True)
    for item in items:
        world.leader.allowed[f"/queue/consumers/{one.consumer_id}/item/{item.name}"] = 0
    first, second = queue.overview().consumers
    assert (first.held, first.held_s) == (2, None)
    assert second.held_s is not None
