"""Large values: whatever is moved together fits what a server takes of one request."""

from collections.abc import Callable

import pytest

from worlds.memory_queues import Open, drained, janitor_of, places_of, swept
from worlds.memory_store import MemoryStore, World
from zkmq import Item, Queue
from zkmq.errors import BadArgumentError
from zkmq.store import Create

LARGE = [bytes([number]) * 300_000 for number in range(10)]


def held(queue: Queue) -> list[Item]:
    """Take all there is, as often as it takes."""
    items: list[Item] = []
    while found := queue.reserve(500, sync=True).items:
        items += found
    return items


def crash(queue: Queue) -> None:
    """Lose a client's process."""
    store = queue._store
    assert isinstance(store, MemoryStore)
    store.crash()


def test_the_memory_world_takes_no_more_than_a_server(world: World) -> None:
    """A request that is too long ends the connection, and never takes effect."""
    store = world.client()
    store.commit([Create("/a", bytes(2_000_000))], store.now() + 1)
    assert "/a" not in world.dump()


def test_a_close_gives_back_what_is_held_part_by_part(opened: Open) -> None:
    """Though all of it is more than one request can carry."""
    queue, other = opened("one"), opened("other")
    queue.put_many(LARGE)
    assert len(held(queue)) == len(LARGE)
    queue.close()
    assert drained(other) == LARGE


@pytest.mark.parametrize("on_crash", ["requeue", "partial"])
def test_what_a_dead_consumer_held_comes_back_part_by_part(
    opened: Open, world: World, on_crash: str
) -> None:
    """The janitor does not ask for what no server takes."""
    consumer, other = opened("consumer", on_crash=on_crash), opened("other")
    other.put_many(LARGE)
    assert len(held(consumer)) == len(LARGE)
    crash(consumer)
    world.scheduler.sleep(20)
    swept(janitor_of(world), world)
    assert not places_of(world).claims
    while other.kick(1000, place="partial").count:
        pass
    assert drained(other) == LARGE


def test_delayed_items_come_part_by_part(queue: Queue, world: World) -> None:
    """However many are due at once."""
    queue.put_many([b"first"])
    for value in LARGE:
        queue.put(value, delay_s=5)
    world.scheduler.sleep(10)
    swept(janitor_of(world, segment_items=100), world)
    assert drained(queue) == [b"first", *LARGE]


def test_a_kick_brings_them_back_part_by_part(queue: Queue) -> None:
    """All that were asked for."""
    queue.put_many(LARGE)
    for item in held(queue):
        queue.bury(item, reason="large")
    assert queue.kick(len(LARGE)).count == len(LARGE)
    assert drained(queue) == LARGE


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("release", lambda queue, items: queue.release(*items)),
        ("touch", lambda queue, items: queue.touch(*items)),
        ("bury", lambda queue, items: queue.bury(*items, reason="x")),
    ],
)
def test_more_than_one_write_can_carry_is_refused(
    queue: Queue, name: str, call: Callable[[Queue, list[Item]], object]
) -> None:
    """All or none is one write: whoever hands over more is told, and holds them all the same."""
    queue.put_many(LARGE)
    items = held(queue)
    with pytest.raises(BadArgumentError, match=f"{name}: expected items of at most 1000000 bytes"):
        call(queue, items)
    call(queue, items[:3])
    queue.done(*items[3:])


@pytest.mark.parametrize("reason", ["x" * 1001, b"bytes", None])
def test_a_reason_is_short(queue: Queue, reason: str) -> None:
    """It goes into the item's node, beside a value that may be as large as a request allows."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    with pytest.raises(BadArgumentError, match="bury: reason: expected"):
        queue.bury(item, reason=reason)
