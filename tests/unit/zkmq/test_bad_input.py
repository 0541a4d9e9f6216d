"""Whatever a caller hands over is taken, or refused with what was expected; nothing is sent."""

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import Queue
from zkmq.checks import MOST_ITEM_S
from zkmq.errors import BadArgumentError, ClosedError
from zkmq.working.job import Job

CALLS: dict[str, Callable[[Queue, Any], object]] = {
    "put: data": lambda queue, value: queue.put(value),
    "put: priority": lambda queue, value: queue.put(b"x", priority=value),
    "put: delay_s": lambda queue, value: queue.put(b"x", delay_s=value),
    "put: ttr_s": lambda queue, value: queue.put(b"x", ttr_s=value),
    "put: expires_s": lambda queue, value: queue.put(b"x", expires_s=value),
    "release: delay_s": lambda queue, value: queue.release(delay_s=value),
    "put: dedup_id": lambda queue, value: queue.put(b"x", dedup_id=value),
    "put_many: batch": lambda queue, value: queue.put_many([b"x"], batch=value),
    "reserve: n": lambda queue, value: queue.reserve(value),
    "reserve: timeout_s": lambda queue, value: queue.reserve(timeout_s=value),
    "peek: n": lambda queue, value: queue.peek(value),
    "kick: n": lambda queue, value: queue.kick(value),
    "purge: priority": lambda queue, value: queue.purge(value),
    "redrive: ids": lambda queue, value: queue.redrive("/other", ids=value),
    "place": lambda queue, value: queue.peek(place=value),
}
NO_SECONDS = (-1, math.nan, "1", None, True)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        *(("put: data", value) for value in ("text", None, 1, bytearray(b"x"))),
        *(("put: priority", value) for value in (-1, 1000, 1.0, True, "100", None)),
        *(("put: delay_s", value) for value in (*NO_SECONDS, math.inf, 1e12)),
        *(("put: ttr_s", value) for value in (-1, 0, math.nan, "1", True, math.inf, 1e12)),
        *(("put: expires_s", value) for value in (-1, 0, math.nan, "1", True, math.inf, 1e12)),
        *(("release: delay_s", value) for value in (*NO_SECONDS, math.inf, 1e12)),
        *(("put: dedup_id", value) for value in (b"x", 1, "", "a\ud800b", "x" * 10_001)),
        *(("put_many: batch", value) for value in (0, 501, 1.5, None)),
        *(("reserve: n", value) for value in (0, 501, "1", None, True)),
        *(("reserve: timeout_s", value) for value in NO_SECONDS),
        *(("peek: n", value) for value in (0, -1, None)),
        *(("kick: n", value) for value in (0, -1, 1.5)),
        *(("purge: priority", value) for value in (-1, 1000, "1")),
        ("redrive: ids", "item-100-0000000000-0000000000"),
        ("place", "held"),
    ],
)
def test_a_bad_value_is_refused(queue: Queue, world: World, call: str, value: object) -> None:
    """The error names the argument, and no request was made."""
    before = world.requests
    with pytest.raises(BadArgumentError, match=f"{call}: expected"):
        CALLS[call](queue, value)
    assert world.requests == before


ENDS: dict[str, Callable[..., object]] = {
    "done": Queue.done,
    "release": Queue.release,
    "touch": Queue.touch,
    "bury": functools.partial(Queue.bury, reason="bad"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_no_item_is_refused(queue: Queue, world: World, end: str) -> None:
    """A list of items says how to give them; the items stay held, and nothing was sent."""
    queue.put(b"x")
    reservation = queue.reserve()
    before = world.requests
    with pytest.raises(BadArgumentError, match=r"items: expected .* \(Item\).*done\(\*items\)"):
        ENDS[end](queue, reservation.items)
    for value in (reservation, reservation.items[0].id, b"x", None):
        with pytest.raises(BadArgumentError, match="items: expected what a reserve returned"):
            ENDS[end](queue, value)
    assert (world.requests, queue.held) == (before, reservation.items)


def test_what_is_no_list_of_items_is_not_acknowledged(queue: Queue, world: World) -> None:
    """`reserve(done=item)` and the like are refused before anything is sent."""
    queue.put(b"x")
    reservation = queue.reserve()
    (item,) = reservation.items
    before = world.requests
    for value in (item, reservation, item.id, [item, item], [[item]], None):
        with pytest.raises(BadArgumentError, match="reserve: done: expected"):
            queue.reserve(done=value)
    assert (world.requests, queue.held) == (before, (item,))


async def _async_handler(job: Job) -> None: ...


def _generator(job: Job) -> Iterator[None]:
    yield


async def _async_generator(job: Job) -> AsyncIterator[None]:
    yield


class _AsyncObject:
    async def __call__(self, job: Job) -> None: ...


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (None, "function, got None"),
        (_async_handler, "async .*zkmq.aio.Queue"),
        (functools.partial(_async_handler), "async .*zkmq.aio.Queue"),
        (_AsyncObject(), "async .*zkmq.aio.Queue"),
        (_generator, "generator .*yield"),
        (_async_generator, "generator .*yield"),
    ],
    ids=["none", "async", "partial", "async-call", "generator", "async-generator"],
)
def test_a_handler_that_would_do_nothing_is_refused(
    queue: Queue, world: World, handler: Any, what: str
) -> None:
    """Its items would be acknowledged, and no work done; none is taken."""
    queue.put(b"x")
    before = world.requests
    with pytest.raises(BadArgumentError, match=f"work: handler: expected a .*{what}"):
        queue.work(handler, idle_s=0)
    assert world.requests == before


def test_an_error_shows_the_value_that_it_got(queue: Queue) -> None:
    """A number where a text is expected is shown as a number."""
    with pytest.raises(BadArgumentError, match=r"dedup_id: .*, got 7$"):
        queue.put(b"x", dedup_id=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"order": "fifo"},
        {"label": "x" * 1001},
        {"on_crash": "dead"},
        {"max_deliveries": 0},
        {"max_deliveries": "3"},
        {"max_items": -1},
        {"deadline_s": 0},
        {"deadline_s": math.nan},
        {"segment_items": 0},
        {"segment_items": 10_001},
        *({"path": path} for path in ("queue", "", "/", "//a", "/a//b", "/a/../b", "/zookeeper/q")),
        {"path": "/a\0b"},
        {"path": b"/queue"},
    ],
    ids=str,
)
def test_a_bad_setting_is_refused(opened: Open, world: World, settings: dict[str, Any]) -> None:
    """At opening, and nothing is made."""
    with pytest.raises(BadArgumentError, match=f"{next(iter(settings))}: expected"):
        opened(**settings)
    assert set(world.dump()) == {"/"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hosts", value) for value in ("", "a:b", ["a:1"], None, b"a:1")),
        *(("session_timeout_s", value) for value in (*NO_SECONDS, 0, math.inf)),
    ],
)
def test_a_bad_connection_is_refused(name: str, value: Any) -> None:
    """Before a thread is started or a socket is opened."""
    arguments = {"hosts": "127.0.0.1:1", name: value}
    with pytest.raises(BadArgumentError, match=f"connect: {name}: expected"):
        Queue.connect(arguments.pop("hosts"), connection=arguments)


def test_a_slash_at_the_end_changes_nothing(opened: Open, world: World) -> None:
    """`/queue/` is `/queue`."""
    opened(path="/queue/").put(b"x")
    assert "/queue/items" in world.dump()


@pytest.mark.parametrize(
    "call",
    [
        lambda queue: queue.put(b"x"),
        lambda queue: queue.put_many([b"x"]),
        lambda queue: queue.reserve(),
        lambda queue: queue.resolve(),
        lambda queue: queue.peek(),
        lambda queue: queue.stats(),
        lambda queue: queue.kick(1),
        lambda queue: queue.purge(),
        lambda queue: queue.upgrade(),
    ],
)
def test_a_closed_queue_says_so(queue: Queue, call: Callable[[Queue], object]) -> None:
    """Whatever is called, though the session is somebody else's and still open."""
    queue.close()
    with pytest.raises(ClosedError, match="connect a new one"):
        call(queue)
    queue.close()


@pytest.mark.parametrize("option", ["ttr_s", "expires_s", "delay_s"])
def test_the_longest_time_is_kept(queue: Queue, option: str) -> None:
    """What put takes, consumers and operators can read."""
    queue.put(b"x", **{option: MOST_ITEM_S})
    place = "delayed" if option == "delay_s" else "items"
    assert [item.data for item in queue.peek(place=place)] == [b"x"]
    assert [item.data for item in queue.reserve().items] == ([] if option == "delay_s" else [b"x"])
