"""Nodes that anybody may make in a queue's tree stop no client, and nothing of ours is lost."""

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Hold, Queue
from zkmq.errors import IncompatibleTreeError
from zkmq.tree import envelope
from zkmq.zookeeper.store import MAX_REQUEST_BYTES, Create, Delete, SetData

FIRST, SECOND = "/queue/items/100/0000000000", "/queue/items/100/0000000001"


def make(world: World, *paths: str, data: bytes = b"") -> None:
    """Create nodes, as anybody who reaches the servers may."""
    store = world.client("anybody")
    for path in paths:
        store.commit([Create(path, data)], store.now() + 9)
        assert path in world.dump()
    store.close()
    world.scheduler.sleep(0.1)


def refusals(world: World) -> int:
    """How many writes the servers have refused; the ends of sessions have no effects either."""
    empty = [each.zxid for each in world.leader.log if not each.effects]
    return len(set(empty) - set(world.leader.ended.values()))


@pytest.mark.parametrize(
    "path",
    [
        "/queue/items/5",
        "/queue/items/²",
        "/queue/items/\u0660\u0660\u0667",
        "/queue/items/ 07",
        "/queue/items/-07",
        "/queue/items/1000",
        "/queue/items/007",
        "/queue/items/item-007-x",
        "/queue/items/100/note",
        "/queue/items/100/00000000²0",
        "/queue/items/100/0000000000/note",
        "/queue/items/100/0000000000/item-100-0000000000-²000000000",
        "/queue/items/100/0000000000/item-007-0000000000-0000000000",
        "/queue/items/100/0000000000/item-100-0000000007",
        "/queue/consumers/5",
        "/queue/consumers/consumer-5",
        "/queue/producers/note",
        "/queue/delayed/note",
        "/queue/delayed/0000000001",
        "/queue/dedup/note",
        "/queue/dedup/0000000001",
        "/queue/waiting/note",
        "/queue/waiting/0000000000/note",
        "/queue/waiting/zzz",
        "/queue/dead/note",
        "/queue/partial/note",
        "/queue/note",
    ],
)
@pytest.mark.parametrize("data", [b"", b"hello", b"\xff", b"[" * 100_000])
def test_a_node_of_any_name_stops_nobody(
    queue: Queue, opened: Open, world: World, path: str, data: bytes
) -> None:
    """Puts, looks, reserves that wait, ends of all kinds, operators and the janitor go on."""
    queue.put(b"0")
    queue.reserve(1, timeout_s=0.1)
    other = opened("other", max_items=1000)
    with_line = "/queue/waiting/0000000000"
    if path.startswith(with_line) and with_line not in world.dump():
        make(world, with_line)
    make(world, path, data=data)
    queue.put_many([b"%d" % number for number in range(1, 8)])
    other.put(b"8")
    other.put(b"9", dedup_id="9", ttr_s=100)
    other.put(b"10", delay_s=1)
    janitor = janitor_of(world)
    world.scheduler.sleep(2)
    swept(janitor, world, steps=2)
    # The servers count the children of a segment, whatever they are called.
    assert queue.stats().waiting[100] == 10 + path.startswith(f"{FIRST}/")
    items = other.reserve(3, timeout_s=5).items
    other.release(items[0])
    other.release(items[1], to="back")
    other.bury(items[2], reason="bad")
    assert [each.data for each in queue.peek(place="dead")] == [items[2].data]
    assert other.kick(10).count == 1
    queue.close()
    world.scheduler.sleep(1)
    swept(janitor, world)
    assert sorted(drained(other), key=int) == [b"%d" % number for number in range(11)]
    assert not other.reserve(1, timeout_s=1).items
    before = refusals(world)
    for _ in range(20):
        other.reserve(1)
        world.scheduler.sleep(0.1)
        swept(janitor, world)
    assert refusals(world) - before <= 1
    other.purge()


def test_a_child_below_an_item_holds_up_that_one_alone(queue: Queue, world: World) -> None:
    """It costs one refused write, and is delivered once the child has gone."""
    queue.put_many([b"1", b"2", b"3"])
    child = f"{FIRST}/item-100-0000000000-0000000000/child"
    make(world, child)
    before = refusals(world)
    assert drained(queue) == [b"2", b"3"]
    assert not queue.reserve(1, timeout_s=2).items
    assert refusals(world) - before <= 2
    assert queue.reserve(1).read_zxid is None
    assert queue.stats().skipped == 1
    store = world.client("operator")
    store.commit([Delete(child)], store.now() + 9)
    world.scheduler.sleep(601)
    assert drained(queue) == [b"1"]


@pytest.mark.parametrize(
    "header",
    [
        b'{"deliveries":"two"}',
        b'{"deliveries":-1}',
        b'{"deliveries":true}',
        b'{"ttr_s":"soon"}',
        b'{"ttr_s":Infinity}',
        b'{"forgiven":null}',
        b'{"owner":5}',
        b'{"group":"\\ud800"}',
        b'{"headers":{"a":"\\udfff"}}',
    ],
)
def test_an_item_that_cannot_be_delivered_goes_to_the_dead(
    queue: Queue, world: World, header: bytes
) -> None:
    """With the reason; and `kick` brings it back mended."""
    queue.put(b"1")
    path = f"{FIRST}/item-100-0000000000-0000000000.001"
    make(world, path, data=b"ZKMQ1 " + header + b"\nraw")
    assert drained(queue) == [b"1"]
    (dead,) = queue.peek(place="dead")
    assert dead.data == b"raw"
    assert "cannot be delivered: its header" in (dead.reason or "")
    assert queue.kick(1).count == 1
    assert drained(queue) == [b"raw"]


def test_half_a_surrogate_pair_stops_no_janitor(queue: Queue, opened: Open, world: World) -> None:
    """Not in a claim, not in a delayed item, and not in the mark of a skipped node."""
    consumer = opened("consumer")
    queue.put_many([b"1", b"2"])
    first, _ = consumer.reserve(2).items
    data = b'ZKMQ1 {"group":"\\ud800"}\n3'
    store = world.client("anybody")
    claim = f"/queue/consumers/{first.consumer}/item/{first.name}"
    store.commit([SetData(claim, data, -1)], store.now() + 9)
    make(world, "/queue/delayed/0000000001", "/queue/skipped")
    make(world, "/queue/delayed/0000000001/d-100-x", data=data)
    make(world, "/queue/skipped/0", data=b'{"path":"/queue/\\ud800"}')
    consumer._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20)
    swept(janitor_of(world), world, 2)
    assert drained(queue) == [b"2", b"3"]
    assert places_of(world).dead == [(100, b"3")]


def test_an_item_too_large_to_be_moved_stays(
    queue: Queue, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """No request can carry it; it is read once, told once, and counted."""
    queue.put_many([b"1", b"2"])
    raw = b"z" * (MAX_REQUEST_BYTES - 275)
    make(world, f"{FIRST}/item-100-0000000000-0000000000.001", data=raw)
    assert drained(queue) == [b"1", b"2"]
    assert not queue.reserve(1, timeout_s=2).items
    assert caplog.text.count("expected an item of at most 1032") == 1
    assert queue.stats().skipped == 1
    assert places_of(world).items == [(100, raw)]


def test_a_raw_item_of_the_largest_size_that_moves(
    queue: Queue, opened: Open, world: World
) -> None:
    """It is delivered, buried, kicked, and comes back from the dead consumer."""
    queue.put(b"1")
    raw = b"z" * 1_032_000
    make(world, f"{FIRST}/item-100-0000000000-0000000000.001", data=raw)
    consumer = opened("consumer")
    (_, item) = (*consumer.reserve(1).items, *consumer.reserve(1).items)
    consumer.bury(item, reason="\U0001f600" * 1000)
    assert consumer.kick(1).count == 1
    assert consumer.reserve(1, sync=True).items
    consumer._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20)
    swept(janitor_of(world), world)
    assert drained(queue) == [b"1", raw]


def test_a_child_below_a_held_item_is_told(queue: Queue, world: World) -> None:
    """The item stays held, and `done` works once the child is deleted."""
    queue.put(b"1")
    (item,) = queue.reserve().items
    child = f"/queue/consumers/{item.consumer}/item/{item.name}/child"
    make(world, child)
    with pytest.raises(IncompatibleTreeError, match="delete the children"):
        queue.done(item)
    with pytest.raises(IncompatibleTreeError, match="delete the children"):
        queue.reserve(done=[item])
    assert item.hold is Hold.HELD
    store = world.client("operator")
    store.commit([Delete(child)], store.now() + 9)
    queue.done(item)


def test_a_child_below_a_held_item_keeps_no_other_from_going_back(
    queue: Queue, opened: Open, world: World
) -> None:
    """`close` gives back all but that one, also if the guard of a priority is damaged."""
    consumer = opened("consumer")
    queue.put_many([b"1", b"2", b"3"])
    queue.put(b"7", priority=7)
    items = consumer.reserve(4).items
    item = next(each for each in items if each.data == b"2")
    make(world, f"/queue/consumers/{item.consumer}/item/{item.name}/child")
    store = world.client("anybody")
    store.commit([SetData("/queue/items/007", b"hello", -1)], store.now() + 9)
    consumer.close()
    assert places_of(world).items == [(100, b"1"), (100, b"3")]
    assert sorted(places_of(world).claims) == [(7, b"7"), (100, b"2")]


def test_a_dead_consumer_with_foreign_nodes_gives_back_what_it_held(
    queue: Queue, opened: Open, world: World
) -> None:
    """All but the item with a child; and the janitor does not try again and again."""
    queue.put_many([b"1", b"2", b"3"])
    consumer = opened("consumer")
    items = consumer.reserve(3).items
    claims = f"/queue/consumers/{items[0].consumer}/item"
    registration = f"/queue/consumers/{items[0].consumer}"
    make(world, f"{claims}/{items[1].name}/child", f"{claims}/note", f"{registration}/note")
    consumer._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20)
    janitor = janitor_of(world)
    swept(janitor, world, steps=5)
    assert drained(queue) == [b"1", b"3"]
    before = refusals(world)
    swept(janitor, world, steps=20)
    assert refusals(world) == before


def test_names_that_are_taken_are_passed_over(queue: Queue, world: World) -> None:
    """Of the next return, of the next number in a segment, and of the next segment."""
    queue.put_many([b"1", b"2"])
    (first, _) = queue.reserve(2).items
    make(world, f"{FIRST}/{first.id}.001", f"{FIRST}/item-100-0000000000-0000000003", SECOND)
    queue.release(first)
    for number in range(3, 9):
        queue.put(b"%d" % number)
    queue.close()
    other = Queue(world.client("other"), janitor=False)
    got = drained(other)
    assert sorted(got) == [b"", b"", *(b"%d" % number for number in range(1, 9))]
    assert [data for data in got if data][:2] == [b"1", b"2"]


def test_a_tail_that_was_deleted_is_passed_over(queue: Queue, world: World) -> None:
    """Its name is not used again, since its numbers would start again."""
    queue.put(b"1")
    drained(queue)
    store = world.client("anybody")
    store.commit([Delete(FIRST)], store.now() + 9)
    queue.put(b"2")
    assert FIRST not in world.dump()
    assert drained(queue) == [b"2"]


def test_a_damaged_priority_stops_no_other(queue: Queue, world: World) -> None:
    """Puts into it say so; all other priorities, looks and counts go on."""
    queue.put(b"lost from sight", priority=7)
    queue.put(b"1")
    store = world.client("anybody")
    store.commit([SetData("/queue/items/007", b"hello", -1)], store.now() + 9)
    world.scheduler.sleep(0.1)
    assert drained(queue) == [b"1"]
    with pytest.raises(IncompatibleTreeError, match="mend the node's data"):
        Queue(world.client("other"), janitor=False).put(b"x", priority=7)
    assert queue.stats().waiting == {100: 0}
    assert queue.purge().count == 1
    swept(janitor_of(world), world)
    store.commit([SetData("/queue/items/007", b'{"tail": 0}', -1)], store.now() + 9)
    world.scheduler.sleep(0.1)
    assert drained(queue) == [b"lost from sight"]


def test_a_purge_passes_over_a_segment_that_is_taken(queue: Queue, world: World) -> None:
    """It takes the next one."""
    queue.put(b"1")
    make(world, f"/queue/items/100/{1000:010d}")
    assert queue.purge().count == 1
    queue.put(b"2")
    assert drained(queue) == [b"2"]


def test_a_tag_of_nobody_is_void(queue: Queue, world: World) -> None:
    """An owner that can be no consumer is not asked for."""
    make(world, "/queue/items/100", FIRST)
    data = envelope.wrap(b"raw", {"owner": "../../x"})
    make(world, f"{FIRST}/item-100-0000000000-0000000000", data=data)
    assert drained(queue) == [b"raw"]


def test_a_lock_of_the_janitor_with_a_child_is_told(queue: Queue, world: World) -> None:
    """No janitor can work beside it, so people have to know; one works once the child is gone."""
    lock = "/queue/gc-lock"
    make(world, lock, f"{lock}/child")
    queue.put(b"1", delay_s=1)
    janitor = janitor_of(world)

    def stepped() -> None:
        for _ in range(40):
            world.scheduler.sleep(2)
            janitor.step(world.scheduler.now_s + 9)

    stepped()
    assert not janitor.elected
    assert queue.stats().skipped == 1
    store = world.client("operator")
    store.commit([Delete(f"{lock}/child")], store.now() + 9)
    stepped()
    assert janitor.elected
    assert drained(queue) == [b"1"]
