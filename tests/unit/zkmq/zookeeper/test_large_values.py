"""Large values: whatever is moved together fits what a server takes of one request."""

from collections.abc import Callable, Sequence

import pytest
from kazoo.security import make_digest_acl

from worlds.memory.network import Request, request_bytes
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import Item, Queue
from zkmq.errors import BadArgumentError
from zkmq.putting.entry import Entry
from zkmq.zookeeper.session import wire
from zkmq.zookeeper.store import (
    MAX_REQUEST_BYTES,
    CheckVersion,
    Create,
    Delete,
    Denied,
    Read,
    ReadResult,
    SetData,
    Znode,
)

LARGE = [bytes([number]) * 300_000 for number in range(10)]


LONG_PATH = "/" + "q" * 900
MANY = [b"%04d" % number for number in range(1500)]


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
    with pytest.raises(BadArgumentError, match=f"{name}: expected at most 1046527 bytes"):
        call(queue, items)
    call(queue, items[:3])
    queue.done(*items[3:])


@pytest.fixture
def too_long(world: World) -> list[int]:
    """Give the sizes of requests that no server takes, as they are sent."""
    sizes: list[int] = []

    def note(number: int, request: Request) -> None:
        if (size := request_bytes(request.ops)) > MAX_REQUEST_BYTES:
            sizes.append(size)

    world.faults = note
    return sizes


def test_a_request_is_as_long_as_it_is_weighed() -> None:
    """Chroot, ACLs and letters beyond ASCII included."""
    acl = wire.encode_acl([make_digest_acl("user", "password", all=True)])
    ops = [
        Create("/é", b"x", sequence=True),
        Delete("/a"),
        SetData("/b", b"yz", 1),
        CheckVersion("/c", 1),
    ]
    body = wire.Multi(ops, acl, "/chröot").serialize()
    assert wire.multi_bytes(ops, acl, "/chröot") == len(body) + wire.REQUEST_HEADER_BYTES


def test_more_items_than_one_request_can_name_are_refused(
    opened: Open, too_long: list[int]
) -> None:
    """A done of all of them is refused before anything is sent, and can be done in parts."""
    queue = opened(path=LONG_PATH, segment_items=1000)
    queue.put_many(MANY)
    items = held(queue)
    with pytest.raises(BadArgumentError, match="done: expected at most 1046527 bytes"):
        queue.done(*items)
    with pytest.raises(BadArgumentError, match="done: expected at most 1046527 bytes"):
        queue.reserve(done=items)
    queue.done(*items[:900])
    queue.done(*items[900:])
    assert too_long == []


def test_a_reserve_leaves_room_for_what_it_acknowledges(opened: Open, too_long: list[int]) -> None:
    """Or acknowledges before it claims: it takes fewer items, and never sends what is too long."""
    queue = opened(path=LONG_PATH, segment_items=1000)
    large, small = b"x" * 1_000_000, MANY[:1000]
    queue.put_many([*small[:500], large, *small[500:]])
    first = queue.reserve(500).items
    second = queue.reserve(500, done=first)
    third = queue.reserve(500, done=second.items)
    assert second.done is not None
    assert third.done is not None
    expected = iter([*small[:500], large, *small[500:]])
    for found in (first, second.items, third.items):
        assert [item.data for item in found] == [next(expected) for _ in found]
    assert second.items[0].data == large
    assert len(first) == 500
    assert 10 < len(second.items) < 100 < len(third.items) < 500
    assert too_long == []


@pytest.mark.parametrize("n", [1, 100])
def test_a_first_look_at_large_items_reads_few_of_them(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    """Before their size is known it reads a handful, and then as many as one write can take."""
    queue.put_many([b"x" * 1_000_000] * 40)
    read: list[int] = []
    read_many = queue._bound.read_many

    def counting(reads: Sequence[Read], deadline_s: float, *, denied: Denied) -> ReadResult:
        view = read_many(reads, deadline_s, denied=denied)
        read.append(sum(len(node.data) for node in view.results if isinstance(node, Znode)))
        return view

    monkeypatch.setattr(queue._bound, "read_many", counting)
    for _ in range(10):
        queue.done(*queue.reserve(n).items)
    assert max(read) < 9_000_000
    assert sum(read) < 20_000_000


def test_many_small_items_come_at_once_from_the_first_reserve_on(queue: Queue) -> None:
    """However little was read at first."""
    queue.put_many(MANY)
    assert len(queue.reserve(500).items) == 500


def test_a_close_on_a_long_path_gives_everything_back(opened: Open, too_long: list[int]) -> None:
    """Part by part, as far as one request can name them."""
    queue, other = opened(path=LONG_PATH), opened(path=LONG_PATH)
    queue.put_many(MANY)
    assert len(held(queue)) == len(MANY)
    queue.close()
    assert drained(other) == MANY
    assert too_long == []


def test_a_put_many_on_a_long_path_is_cut_to_fit(opened: Open, too_long: list[int]) -> None:
    """With ids as well, each of which is five operations."""
    queue = opened(path=LONG_PATH, segment_items=1000)
    entries = [Entry(data=data, dedup_id=data.decode()) for data in MANY[:500]]
    assert not any(put.duplicate for put in queue.put_many(entries))
    assert all(put.duplicate for put in queue.put_many(entries[::50]))
    assert drained(queue) == MANY[:500]
    assert too_long == []


@pytest.mark.parametrize("reason", ["x" * 1001, b"bytes", None])
def test_a_reason_is_short(queue: Queue, reason: str) -> None:
    """It goes into the item's node, beside a value that may be as large as a request allows."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    with pytest.raises(BadArgumentError, match="bury: reason: expected"):
        queue.bury(item, reason=reason)
