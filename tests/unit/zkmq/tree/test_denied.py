"""Nodes of which somebody changed the ACL stop no client, are told, and lose nothing."""

import logging
from collections.abc import Iterator

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from worlds.memory.zookeeper import CREATE, DELETE, READ, WRITE
from zkmq import AccessDeniedError, Queue
from zkmq.errors import (
    ClientsTooOldError,
    IncompatibleTreeError,
    OutcomeUnknownError,
    QueueFullError,
)
from zkmq.operating.tree_dump import TreeDump
from zkmq.putting.delayed import MINUTE_MS
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, Delete, Op, SetData

TREE = QueueTree("/queue")
SEGMENT = "/queue/items/100/0000000000"
FIRST = f"{SEGMENT}/item-100-0000000000-0000000000"
NOTHING, ALL = 0, READ | WRITE | CREATE | DELETE
AGAIN_S = 601


def made(world: World, *ops: Op) -> None:
    """Create nodes, as anybody who reaches the servers may."""
    store = world.client("anybody")
    for op in ops:
        store.commit([op], store.now() + 9)
        assert op.path in world.dump()
    store.close()
    world.scheduler.sleep(0.1)


def refusals(world: World) -> int:
    """How many writes the servers have refused; the ends of sessions have no effects either."""
    empty = [each.zxid for each in world.leader.log if not each.effects]
    return len(set(empty) - set(world.leader.ended.values()))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Give what clients log."""
    with caplog.at_level(logging.WARNING, "zkmq"):
        yield caplog


@pytest.mark.parametrize(
    "path",
    [
        "/queue/items/005",
        "/queue/items/100/0000000007",
        "/queue/items/note",
        "/queue/consumers/consumer-5",
        "/queue/consumers/note",
        "/queue/producers/note",
        "/queue/producers/producer-0123456789abcdef",
        "/queue/delayed/0000000001",
        "/queue/delayed/note",
        "/queue/dedup/0000000001",
        "/queue/waiting/0000000000",
        "/queue/waiting/0000000007",
        "/queue/waiting/9999999999",
        "/queue/waiting/0000000000/w-x-0000000000",
        "/queue/ttr",
        "/queue/dead/item-100-0000000000-0000000900",
        "/queue/partial/item-100-0000000000-0000000900",
        "/queue/skipped/note",
        "/queue/groups/0123456789abcdef",
        "/queue/parked/005",
        "/queue/note",
    ],
)
@pytest.mark.parametrize("allowed", [NOTHING, READ, ALL & ~READ])
def test_a_foreign_node_of_any_acl_stops_nobody(
    queue: Queue, opened: Open, world: World, path: str, allowed: int
) -> None:
    """Puts, looks, reserves that wait, ends of all kinds, operators and the janitor go on."""
    queue.put(b"0")
    parent = path.rpartition("/")[0]
    made(world, *(Create(each) for each in (parent, path) if each not in world.dump()))
    world.leader.allowed[path] = allowed
    other = opened("other", max_items=1000)
    queue.put_many([b"%d" % number for number in range(1, 8)])
    other.put(b"8")
    other.put(b"9", dedup_id="9", ttr_s=100)
    other.put(b"10", delay_s=1)
    janitor = janitor_of(world)
    world.scheduler.sleep(2)
    swept(janitor, world, steps=2)
    assert queue.stats().waiting[100] == 11
    assert queue.overview().stats.waiting[100] == 11
    items = other.reserve(3, timeout_s=5).items
    other.touch(items[0])
    other.release(items[0])
    other.release(items[1], to="back")
    other.bury(items[2], reason="bad")
    assert other.inspect(items[2].id) is not None
    assert items[2].data in [each.data for each in queue.peek(9, place="dead")]
    assert len(queue.peek(9)) == 9
    queue.peek(9, place="delayed")
    assert other.kick(10).count >= 1
    queue.close()
    world.scheduler.sleep(1)
    swept(janitor, world)
    taken = set(drained(other))
    assert {b"%d" % number for number in range(11)} <= taken <= {*taken, b""}
    assert not other.reserve(1, timeout_s=1).items
    before = refusals(world)
    for _ in range(20):
        other.reserve(1)
        world.scheduler.sleep(0.1)
        swept(janitor, world)
    assert refusals(world) - before <= 1
    other.purge(100)


@pytest.mark.parametrize("path", [TREE.items, TREE.consumers, TREE.groups, TREE.root])
def test_a_client_that_may_not_read_the_queue_is_told_so(
    queue: Queue, world: World, path: str
) -> None:
    """The queue's own places are needed by all: to skip one would be to see an empty queue."""
    queue.put(b"1", group="a")
    world.leader.allowed[path] = NOTHING
    with pytest.raises(AccessDeniedError, match=path):
        queue.reserve(1)


def test_an_item_that_may_not_be_read_holds_up_that_one_alone(
    queue: Queue, world: World, told: pytest.LogCaptureFixture
) -> None:
    """It is told once, counted, not taken for an empty queue, and comes once it may be read."""
    queue.put_many([b"1", b"2", b"3"])
    world.leader.allowed[FIRST] = NOTHING
    assert drained(queue) == [b"2", b"3"]
    assert not queue.reserve(1, timeout_s=2).items
    assert queue.reserve(1).read_zxid is None
    assert queue.stats().skipped == 1
    assert told.text.count(FIRST) == 1
    assert "its ACL lets this client not read it" in told.text
    assert [each.data for each in queue.peek(5)] == []
    del world.leader.allowed[FIRST]
    world.scheduler.sleep(AGAIN_S)
    assert drained(queue) == [b"1"]


@pytest.mark.parametrize("count", [30, 1200])
def test_many_items_that_may_not_be_read_hold_up_no_other(
    opened: Open, world: World, count: int
) -> None:
    """Also more than a client remembers."""
    queue = opened("one", segment_items=500)
    queue.put_many([b"x"] * count)
    queue.put(b"last")
    for path in list(world.dump()):
        if path.startswith("/queue/items/100/") and world.dump()[path].endswith(b"x"):
            world.leader.allowed[path] = NOTHING
    assert [item.data for item in queue.reserve(1, timeout_s=5).items] == [b"last"]


def test_an_item_of_a_group_that_may_not_be_read_holds_up_no_other(
    queue: Queue, world: World
) -> None:
    """Neither another of its group nor one of another."""
    for data, group in ((b"1", "a"), (b"2", "a"), (b"3", "b")):
        queue.put(data, group=group)
    world.leader.allowed[FIRST] = NOTHING
    assert sorted(drained(queue)) == [b"2", b"3"]


@pytest.mark.parametrize("allowed", [NOTHING, READ, READ | CREATE, READ | DELETE, ALL & ~READ])
@pytest.mark.parametrize("path", [SEGMENT, "/queue/items/100"])
def test_a_segment_or_priority_of_any_acl_holds_up_itself_alone(
    queue: Queue,
    opened: Open,
    world: World,
    told: pytest.LogCaptureFixture,
    *,
    path: str,
    allowed: int,
) -> None:
    """What is in it is told, and comes once its ACL is mended; the janitor goes on, and rests."""
    queue.put_many([b"%d" % number for number in range(5)])
    queue.put(b"after", priority=200)
    world.leader.allowed[path] = allowed
    other = opened("other")
    found = drained(other)
    assert found[-1:] == [b"after"]
    assert not other.reserve(1, timeout_s=2).items
    janitor = janitor_of(world)
    swept(janitor, world, steps=5)
    assert not janitor.busy
    before = refusals(world)
    swept(janitor, world, steps=20)
    other.reserve(1)
    assert refusals(world) - before <= 2
    left = {b"%d" % number for number in range(5)} - set(found)
    if left:
        assert path in told.text
        assert other.stats().skipped
        assert other.reserve(1).read_zxid is None
    world.leader.allowed.clear()
    world.scheduler.sleep(AGAIN_S)
    assert set(drained(other)) == left


def dead_consumer(opened: Open, world: World, n: int) -> tuple[str, list[str]]:
    """Let a consumer take items and die; return its id, and the paths of what it held."""
    consumer = opened("dead")
    items = consumer.reserve(n).items
    consumer._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20)
    return items[0].consumer, [TREE.claim(item.consumer, item.name) for item in items]


@pytest.mark.parametrize("allowed", [NOTHING, READ, ALL & ~READ, ALL & ~DELETE])
@pytest.mark.parametrize("part", ["registration", "claims", "claim", "active"])
def test_a_dead_consumer_of_any_acl_holds_up_no_other(
    queue: Queue, opened: Open, world: World, part: str, allowed: int
) -> None:
    """What the others held comes back at once, and its own once the ACL is mended."""
    queue.put_many([b"1", b"2", b"3", b"4"])
    consumer, claims = dead_consumer(opened, world, 2)
    dead_consumer(opened, world, 2)
    paths = {
        "registration": TREE.consumer(consumer),
        "claims": TREE.claims(consumer),
        "claim": claims[0],
        "active": TREE.active(consumer),
    }
    world.leader.allowed[paths[part]] = allowed
    janitor = janitor_of(world)
    swept(janitor, world, steps=5)
    assert not janitor.busy
    before = refusals(world)
    swept(janitor, world, steps=20)
    assert refusals(world) == before
    back = drained(queue)
    assert {b"3", b"4"} <= set(back)
    if part == "claim":
        assert b"2" in back
    if len(back) < 4:
        assert queue.stats().skipped
    world.leader.allowed.clear()
    world.scheduler.sleep(2 * AGAIN_S)
    swept(janitor, world, steps=2)
    assert sorted(back + drained(queue)) == [b"1", b"2", b"3", b"4"]
    assert not places_of(world).claims


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/queue/items/007", NOTHING),
        ("/queue/items/007", ALL & ~READ),
        ("/queue/items/007/0000000000", NOTHING),
        ("/queue/items/007/0000000000", READ),
        ("/queue/items/007/0000000000", ALL & ~READ),
    ],
)
def test_a_place_of_any_acl_keeps_the_rest_of_a_dead_consumer_from_nothing(
    queue: Queue, opened: Open, world: World, path: str, allowed: int
) -> None:
    """What cannot go back stays, is counted, and comes back once the ACL is mended."""
    queue.put(b"7", priority=7)
    queue.put(b"1")
    queue.put(b"2")
    dead_consumer(opened, world, 3)
    world.leader.allowed[path] = allowed
    janitor = janitor_of(world)
    swept(janitor, world, steps=5)
    assert [data for _, data in places_of(world).items] == [b"1", b"2"]
    assert [data for _, data in places_of(world).claims] == [b"7"]
    assert queue.stats().skipped
    world.leader.allowed.clear()
    world.scheduler.sleep(2 * AGAIN_S)
    swept(janitor, world, steps=2)
    assert drained(queue) == [b"7", b"1", b"2"]


@pytest.mark.parametrize("allowed", [NOTHING, READ, ALL & ~READ])
@pytest.mark.parametrize("part", ["claim", "claims", "place"])
def test_an_overdue_item_of_any_acl_holds_up_no_other(
    queue: Queue, opened: Open, world: World, part: str, allowed: int
) -> None:
    """It stays with its holder, is counted, and costs no request in each step."""
    queue.put(b"7", priority=7, ttr_s=1)
    queue.put(b"2", ttr_s=1)
    (first,) = opened("a").reserve().items
    opened("b").reserve()
    path = {
        "claim": TREE.claim(first.consumer, first.name),
        "claims": TREE.claims(first.consumer),
        "place": TREE.priority(7),
    }[part]
    world.leader.allowed[path] = allowed
    janitor = janitor_of(world)
    world.scheduler.sleep(5)
    swept(janitor, world, steps=3)
    assert [data for _, data in places_of(world).items][-1:] == [b"2"]
    before = refusals(world)
    swept(janitor, world, steps=10)
    assert refusals(world) == before
    world.leader.allowed.clear()
    world.scheduler.sleep(AGAIN_S)
    swept(janitor, world, steps=3)
    assert [data for _, data in places_of(world).items] == [b"7", b"2"]


@pytest.mark.parametrize("allowed", [NOTHING, READ, ALL & ~READ])
@pytest.mark.parametrize("part", ["item", "bucket", "priority", "segment"])
def test_a_delayed_item_of_any_acl_holds_up_no_other(
    queue: Queue, world: World, part: str, allowed: int
) -> None:
    """What is due comes, but for what may not be moved: that comes once the ACL is mended."""
    queue.put(b"prior", priority=7)
    for _ in range(10):
        queue.put(b"7", priority=7, delay_s=1)
    queue.put(b"1", delay_s=1)
    queue.put(b"2", delay_s=MINUTE_MS / 1000 * 2)
    minute = min(world.leader.tree.nodes["/queue/delayed"].children)
    bucket = f"/queue/delayed/{minute}"
    items = {path for path, data in world.dump().items() if path.startswith(f"{bucket}/d-007")}
    path = {
        "item": min(items),
        "bucket": bucket,
        "priority": "/queue/items/007",
        "segment": "/queue/items/007/0000000000",
    }[part]
    world.leader.allowed[path] = allowed
    janitor = janitor_of(world, segment_items=1000)
    world.scheduler.sleep(5)
    before = refusals(world)
    swept(janitor, world)
    assert part == "bucket" or b"1" in drained(queue)
    world.scheduler.sleep(180)
    swept(janitor, world)
    assert b"2" in drained(queue)
    assert refusals(world) - before < 40
    before = refusals(world)
    swept(janitor, world, steps=10)
    assert refusals(world) == before
    assert queue.stats().skipped or not places_of(world).delayed
    world.leader.allowed.clear()
    world.scheduler.sleep(AGAIN_S)
    swept(janitor, world)
    drained(queue)
    assert not places_of(world).delayed


def test_what_cannot_be_swept_for_its_acl_keeps_the_rest_from_nothing(
    queue: Queue, world: World
) -> None:
    """Neither old ids nor drained segments of others stay."""
    queue.put(b"x", dedup_id="x")
    queue.put_many([b"%d" % number for number in range(8)], priority=7)
    assert len(drained(queue)) == 9
    hour = min(world.leader.tree.nodes["/queue/dedup"].children)
    made(world, Create("/queue/dedup/0000000001"), Create("/queue/dedup/0000000001/x"))
    world.leader.allowed["/queue/dedup/0000000001"] = READ
    made(world, Create("/queue/items/005"), Create("/queue/items/005/0000000000"))
    world.leader.allowed["/queue/items/005"] = NOTHING
    world.scheduler.sleep(5 * 3600)
    janitor = janitor_of(world)
    swept(janitor, world, steps=3)
    assert f"/queue/dedup/{hour}" not in world.dump()
    assert len(world.leader.tree.nodes["/queue/items/007"].children) == 1
    before = refusals(world)
    swept(janitor, world, steps=5)
    assert refusals(world) - before <= 5


@pytest.mark.parametrize("allowed", [NOTHING, READ, ALL & ~READ])
def test_a_waiting_consumer_is_woken_though_a_priority_may_not_be_read(
    queue: Queue, opened: Open, world: World, allowed: int
) -> None:
    """It waits, and does not ask again and again."""
    queue.put(b"hidden", priority=7)
    world.leader.allowed["/queue/items/007"] = allowed
    other = opened("other")
    drained(other)
    before = world.requests
    assert not other.reserve(1, timeout_s=30).items
    assert world.requests - before < 200
    world.scheduler.after(0.5, lambda: None)
    queue.put(b"1")
    assert [item.data for item in other.reserve(1, timeout_s=5).items] == [b"1"]


@pytest.mark.parametrize("count", [1, 4])
def test_places_in_the_waiting_line_that_may_not_be_read_stop_no_consumer(
    opened: Open, world: World, count: int
) -> None:
    """It stands behind them for ever, and still gets what comes."""
    queue, other = opened("one"), opened("other")
    epoch = "/queue/waiting/0000000000"
    places = [f"{epoch}/w-x-{number:010d}" for number in range(count)]
    made(world, Create(epoch), *map(Create, places))
    world.leader.allowed.update(dict.fromkeys(places, NOTHING))
    assert not queue.reserve(1, timeout_s=10).items

    def put_later() -> None:
        world.scheduler.sleep(5)
        other.put(b"1")

    world.scheduler.spawn("later", put_later)
    assert [item.data for item in queue.reserve(1, timeout_s=60).items] == [b"1"]


def test_an_item_whose_owner_may_not_be_read_holds_up_no_other(
    queue: Queue, world: World, told: pytest.LogCaptureFixture
) -> None:
    """It counts as held, is told once, and comes once the owner has gone."""
    queue.put_many([b"1", b"2"])
    owner = "consumer-5"
    made(world, Create(TREE.consumer(owner)), Create(TREE.active(owner)))
    made(world, Create(f"{FIRST}.001", b'ZKMQ1 {"owner":"%s"}\nraw' % owner.encode()))
    world.leader.allowed[TREE.active(owner)] = NOTHING
    assert drained(queue) == [b"1", b"2"]
    assert not queue.reserve(1, timeout_s=5).items
    assert told.text.count(TREE.active(owner)) == 1
    found = queue.inspect(FIRST.rpartition("/")[2])
    assert found is not None
    assert (found.place, found.consumer) == ("held", owner)
    store = world.client("operator")
    store.commit([Delete(TREE.active(owner))], store.now() + 9)
    assert drained(queue) == [b"raw"]


@pytest.mark.parametrize("allowed", [NOTHING, READ, READ | DELETE, ALL & ~READ])
def test_a_tail_of_any_acl_stops_no_put(
    queue: Queue, opened: Open, world: World, allowed: int
) -> None:
    """Producers go on in the next segment, at once or when that tail is full, and so do returns."""
    queue.put(b"0")
    held = opened("consumer")
    (item,) = held.reserve().items
    world.leader.allowed[SEGMENT] = allowed
    for number in range(1, 6):
        queue.put(b"%d" % number)
    opened("other").put_many([b"6", b"7"])
    held.release(item, to="back")
    found = drained(queue)
    assert {b"5", b"6", b"7", b"0"} <= set(found)
    world.leader.allowed.clear()
    world.scheduler.sleep(AGAIN_S)
    assert sorted(found + drained(queue)) == [b"%d" % number for number in range(8)]


def test_a_lock_that_may_not_be_read_keeps_no_janitor_from_its_work(
    queue: Queue, world: World
) -> None:
    """If it stands for a minute without a heartbeat, it is deleted."""
    made(world, Create(TREE.lock))
    world.leader.allowed[TREE.lock] = NOTHING
    queue.put(b"0")
    queue.put(b"1", delay_s=1)
    assert queue.stats().oldest_s is not None
    janitor = janitor_of(world)
    for _ in range(40):
        world.scheduler.sleep(2)
        janitor.step(world.scheduler.now_s + 9)
    assert janitor.elected
    assert drained(queue) == [b"0", b"1"]


def test_an_item_that_cannot_be_buried_for_an_acl_is_told(queue: Queue, world: World) -> None:
    """It is not tried again at each look."""
    queue.put(b"1")
    made(world, Create(f"{FIRST}.001", b'ZKMQ1 {"deliveries":"two"}\nraw'))
    world.leader.allowed[TREE.place("dead")] = READ
    assert drained(queue) == [b"1"]
    before = refusals(world)
    for _ in range(5):
        world.scheduler.sleep(1)
        assert not queue.reserve(1).items
    assert refusals(world) == before
    assert queue.stats().skipped == 1


def test_closing_gives_back_all_but_what_an_acl_keeps(
    queue: Queue, opened: Open, world: World
) -> None:
    """One priority that may not be written keeps no item of another from its place."""
    queue.put(b"7", priority=7)
    queue.put(b"1")
    other = opened("other")
    assert len(other.reserve(2).items) == 2
    world.leader.allowed["/queue/items/007/0000000000"] = READ
    other.close()
    assert [data for _, data in places_of(world).items] == [b"1"]
    assert [data for _, data in places_of(world).claims] == [b"7"]


def test_a_client_that_may_not_be_read_counts_as_the_oldest(
    queue: Queue, opened: Open, world: World
) -> None:
    """An upgrade names it, and does not fail for it; with `force` it goes through."""
    other = opened("other")
    other.put(b"1")
    (item,) = other.reserve().items
    world.leader.allowed[TREE.consumer(item.consumer)] = NOTHING
    with pytest.raises(ClientsTooOldError, match="its node may not be read"):
        queue.pause("for a test")
    assert queue.pause("for a test", force=True).paused == "for a test"


def test_an_item_that_is_not_found_where_all_could_be_read_may_be_elsewhere(
    queue: Queue, world: World
) -> None:
    """Then `inspect` and `delete` do not say that there is none; what they find, they tell."""
    for number in range(4):
        queue.put(b"%d" % number)
    world.leader.allowed[SEGMENT] = NOTHING
    assert queue.inspect("item-100-0000000001-0000000000") is not None
    for act in (queue.inspect, queue.delete):
        with pytest.raises(AccessDeniedError, match=SEGMENT):
            act("item-100-0000000000-0000000001")


def test_a_dead_letter_that_may_not_be_read_keeps_no_other_from_a_kick(
    queue: Queue, world: World
) -> None:
    """It stays where it is."""
    queue.put_many([b"1", b"2"])
    for item in queue.reserve(2).items:
        queue.bury(item, reason="bad")
    first = min(path for path in world.dump() if path.startswith("/queue/dead/"))
    world.leader.allowed[first] = NOTHING
    assert queue.kick(5).count == 1
    assert drained(queue) == [b"2"]
    assert first in world.dump()


def test_the_backlog_is_counted_without_what_may_not_be_read(opened: Open, world: World) -> None:
    """A priority of others stops no put; what may be read still counts."""
    queue = opened("one", max_items=4)
    queue.put(b"hidden", priority=7)
    world.leader.allowed["/queue/items/007"] = NOTHING
    world.scheduler.sleep(2)
    queue.put_many([b"1", b"2"])
    world.scheduler.sleep(2)
    with pytest.raises(QueueFullError):
        queue.put_many([b"3", b"4", b"5"])


@pytest.mark.parametrize("is_old", [True, False])
def test_a_dump_shows_what_may_not_be_read(queue: Queue, world: World, *, is_old: bool) -> None:
    """In its place, with the number of its children, if servers still tell that."""
    queue.put_many([b"1", b"2"])
    world.leader.allowed[SEGMENT] = NOTHING
    world.leader.guards_stats = not is_old
    store = world.client("operator")
    dump = TreeDump(store, depth=5, most_children=9, deadline=lambda: store.now() + 9)
    nodes = {each.path: each for each in dump.walk("/queue/items")}
    assert (nodes[SEGMENT].denied, nodes[SEGMENT].unshown) == (True, 2 if is_old else 0)
    assert (nodes[SEGMENT].node is not None) is is_old
    assert not nodes["/queue/items/100"].denied
    assert FIRST not in nodes


@pytest.mark.parametrize("place", ["damaged", "denied", "no appends"])
def test_a_dead_letter_whose_priority_takes_nothing_keeps_no_other_from_a_kick(
    queue: Queue, world: World, place: str
) -> None:
    """It stays; alone, it is told."""
    queue.put(b"7", priority=7)
    queue.put_many([b"1", b"2"])
    for item in queue.reserve(3).items:
        queue.bury(item, reason="bad")
    if place == "damaged":
        store = world.client("anybody")
        store.commit([SetData("/queue/items/007", b"hello", -1)], store.now() + 9)
    elif place == "denied":
        world.leader.allowed["/queue/items/007"] = NOTHING
    else:
        world.leader.allowed["/queue/items/007/0000000000"] = READ
    operator = Queue(world.client("operator"), janitor=False)
    assert operator.kick(5).count == 2
    assert drained(queue) == [b"1", b"2"]
    with pytest.raises((AccessDeniedError, IncompatibleTreeError), match=r"007|priority"):
        operator.kick(5)
    assert [each.data for each in queue.peek(5, place="dead")] == [b"7"]


def test_a_priority_that_may_not_be_changed_keeps_no_other_from_a_purge(
    queue: Queue, world: World
) -> None:
    """All others are purged, and the error says how many."""
    for priority in (1, 2, 3):
        queue.put(b"x", priority=priority)
    world.leader.allowed["/queue/items/001"] = NOTHING
    with pytest.raises(OutcomeUnknownError, match=r"/queue/items/001.*2 of 3 priorities"):
        queue.purge()
    assert places_of(world).items == [(1, b"x")]
    with pytest.raises(AccessDeniedError):
        queue.purge(1)


def test_an_item_of_the_original_with_a_child_keeps_no_other_from_a_purge(
    queue: Queue, world: World
) -> None:
    """It stays, since it cannot be deleted, and the error says so."""
    queue.put(b"x")
    flat = "/queue/items/item-100-0000000001"
    made(world, Create(flat), Create(f"{flat}/child"), Create("/queue/items/item-100-0000000002"))
    with pytest.raises(OutcomeUnknownError, match=flat):
        queue.purge()
    left = sorted(path for path in world.dump() if path.startswith("/queue/items/item-"))
    assert left == [flat, f"{flat}/child"]
    assert drained(queue) == []


def test_a_mark_of_a_path_that_servers_refuse_keeps_no_other_from_going(
    queue: Queue, world: World
) -> None:
    """Nor does the janitor fail for it."""
    queue.put(b"x")
    told = b'{"path": "/queue/items/005", "reason": ""}'
    made(
        world,
        Create("/queue/skipped"),
        Create("/queue/skipped/0", b'{"path": "/queue/\\u0000"}'),
        Create("/queue/skipped/1", told),
    )
    swept(janitor_of(world), world, 2)
    assert "/queue/skipped/1" not in world.dump()
    assert "/queue/skipped/0" in world.dump()
