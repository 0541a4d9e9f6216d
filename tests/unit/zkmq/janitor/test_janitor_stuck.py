"""The janitor never holds its office without doing its work, and no node or callback stops it."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import Queue, Returned
from zkmq.errors import NoQuorumError, ZkmqError
from zkmq.janitor.janitor import STUCK_S, Janitor
from zkmq.janitor.janitor_thread import PERIOD_S, STEP_S, JanitorThread
from zkmq.janitor.returned_reporter import ReturnedReporter
from zkmq.putting.dedup import HOUR_MS
from zkmq.tree import envelope
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, Delete, Op, Read, ReadResult, SetData

pytestmark = pytest.mark.medium

TREE = QueueTree("/queue")
LATER_S = 1000.0


class FarWorld(World):
    """A quorum that is far from its clients."""

    one_way_s = 0.1

    def latency_s(self) -> float:
        return self.one_way_s


def make(world: World, *paths: str, data: bytes = b"") -> None:
    """Create nodes, as anybody who reaches the servers may."""
    store = world.client("anybody")
    for path in paths:
        reply = store.commit([Create(path, data)], store.now() + LATER_S)
        assert path in world.dump(), reply
    store.close()


def registered(world: World, count: int, *, overdue: int | None = None) -> list[MemoryStore]:
    """Consumers with a live session each, of which one holds an item that it held too long."""
    holders = []
    for number in range(count):
        store = world.client(f"holder-{number}")
        path = TREE.consumer(f"consumer-{number:05d}")
        ops: list[Op] = [Create(path), Create(f"{path}/active", ephemeral=True)]
        ops.append(Create(f"{path}/item"))
        if number == overdue:
            data = envelope.wrap(b"overdue", {"ttr_s": 1})
            ops.append(Create(f"{path}/item/item-100-0000000000-0000000000", data))
        store.submit(ops)
        holders.append(store)
    world.scheduler.sleep(5)
    return holders


def ran(janitor: Janitor, world: World, seconds: float) -> None:
    """Step as the thread does, for so long."""
    until_s = world.scheduler.now_s + seconds
    while world.scheduler.now_s < until_s:
        began_s = world.scheduler.now_s
        assert janitor.step(began_s + STEP_S)
        assert world.scheduler.now_s - began_s < STEP_S
        world.scheduler.sleep(0.05 if janitor.busy else 2.0)


@pytest.mark.parametrize(
    ("count", "one_way_s"), [pytest.param(3000, 0.002, id="many"), pytest.param(60, 0.1, id="far")]
)
def test_each_consumer_is_looked_at_in_turn(count: int, one_way_s: float) -> None:
    """However many there are, or how far: the dead is reaped, and the overdue item taken."""
    world = FarWorld(seed=1, max_events=10_000_000)
    world.one_way_s = one_way_s
    queue = Queue(world.client(), janitor=False)
    queue.put(b"mark", ttr_s=1)
    holders = registered(world, count, overdue=count - 2)
    janitor = janitor_of(world)
    holders[-1].expire()
    ran(janitor, world, 10)
    assert TREE.consumer(f"consumer-{count - 1:05d}") not in world.dump()
    assert not places_of(world).claims
    assert len(world.leader.tree.nodes[TREE.consumers].children) == count - 1


def test_a_janitor_that_shows_no_sign_of_life_is_deposed(queue: Queue, world: World) -> None:
    """Its session lives, and it hangs or was forgotten: another takes the office over."""
    stuck, other = janitor_of(world), janitor_of(world)
    swept(stuck, world)
    for _ in range(int(2 * STUCK_S / 2) + 2):
        other.step(world.scheduler.now_s + 9)
        world.scheduler.sleep(2)
    assert other.elected
    assert not stuck.step(world.scheduler.now_s + 9)  # it is back, and sees that it is not
    assert other.step(world.scheduler.now_s + 9)


def test_a_janitor_at_work_is_not_deposed(queue: Queue, world: World) -> None:
    """Each step is a sign of life."""
    working, other = janitor_of(world), janitor_of(world)
    for _ in range(int(4 * STUCK_S / 2)):
        assert working.step(world.scheduler.now_s + 9)
        assert not other.step(world.scheduler.now_s + 9)
        world.scheduler.sleep(2)


def test_a_queue_that_closes_gives_the_office_back(queue: Queue, world: World) -> None:
    """Though its store, and with it the session, lives on."""
    janitor = janitor_of(world)
    swept(janitor, world)
    thread = JanitorThread(janitor, janitor._store)
    thread.stop()
    thread._run()
    assert TREE.lock not in world.dump()
    swept(janitor_of(world), world)


def test_a_queue_that_closes_gives_items_back_before_it_waits_for_its_janitor(
    opened: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of a janitor with much to do may take all the time that `close` has."""
    queue = opened("client")
    queue.put(b"x")
    queue.reserve()
    thread = JanitorThread(janitor_of(world), world.client("thread"))

    def stop(timeout_s: float) -> None:
        world.scheduler.sleep(timeout_s)

    monkeypatch.setattr(thread, "stop", stop)
    monkeypatch.setattr(queue, "_janitor", thread)
    queue.close()
    assert places_of(world).items == [(100, b"x")]


@pytest.mark.parametrize("error", [RuntimeError("a defect"), NoQuorumError("nobody answers")])
def test_a_step_that_fails_resigns(
    queue: Queue,
    world: World,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error is logged, the lock is free for others, and the thread goes on."""
    janitor = janitor_of(world)
    swept(janitor, world)

    def fail(*_: object) -> bool:
        raise error

    monkeypatch.setattr(janitor, "_first", (fail,))
    thread = JanitorThread(janitor, janitor._store)
    monkeypatch.setattr(thread._stopping, "wait", lambda _: False)
    for _ in range(3):
        thread._round()
    assert TREE.lock not in world.dump()
    assert [record.getMessage() for record in caplog.records] == [f"janitor: {error}"]
    assert bool(caplog.records[0].exc_info) is not isinstance(error, ZkmqError)


def test_a_janitor_that_resigned_comes_back_soon(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often its steps failed, it is away for less than ten seconds: others may be none."""
    janitor = janitor_of(world)
    away_s: list[float] = []

    def fail(*_: object) -> bool:
        raise NoQuorumError("nobody answers")

    monkeypatch.setattr(janitor, "_first", (fail,))
    thread = JanitorThread(janitor, janitor._store)
    monkeypatch.setattr(thread._stopping, "wait", away_s.append)
    for _ in range(10):
        thread._round()
    assert len(away_s) == 10
    assert max(away_s) + PERIOD_S < 10.0


def test_a_step_that_takes_too_long_resigns(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may be nearer to the servers."""
    janitor = janitor_of(world)

    def slow(*_: object) -> bool:
        world.scheduler.sleep(STEP_S + 1)
        return False

    monkeypatch.setattr(janitor, "_first", (slow,))
    thread = JanitorThread(janitor, janitor._store)
    monkeypatch.setattr(thread._stopping, "wait", lambda _: False)
    thread._round()
    assert TREE.lock not in world.dump()


def test_a_duty_that_fails_does_not_stop_the_others(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come after it in the step, and are done all the same."""
    queue.put(b"x", delay_s=1)
    janitor = janitor_of(world)
    world.scheduler.sleep(5)

    def fail(*_: object) -> bool:
        raise RuntimeError("a defect")

    monkeypatch.setattr(janitor, "_first", (fail, *janitor._first))
    with pytest.raises(RuntimeError, match="a defect"):
        janitor.step(world.scheduler.now_s + 9)
    assert drained(queue) == [b"x"]


def test_no_session_is_no_office(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does not know its session could not tell whose lock it finds."""
    store = world.client("unsure")
    monkeypatch.setattr(type(store), "session_id", None)
    assert not janitor_of(world, store=store).step(store.now() + 9)
    assert TREE.lock not in world.dump()


def died(world: World, opened: Open) -> None:
    """Let a consumer take what there is, and die."""
    consumer = opened("consumer")
    consumer.reserve(500)
    store = consumer._store
    assert isinstance(store, MemoryStore)
    store.crash()
    world.scheduler.sleep(world.session_timeout_s + 1)


def test_a_callback_that_raises_stops_nothing(
    queue: Queue, opened: Open, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The items are back, and the error is logged."""
    queue.put(b"x")
    died(world, opened)

    def fail(_: Returned) -> None:
        raise ValueError("an application's defect")

    store = world.client("janitor")
    janitor = Janitor(store, TREE, name="janitor", on_returned=fail)
    assert janitor.step(store.now() + 9)
    assert drained(queue) == [b"x"]
    assert "on_returned failed" in caplog.text


def test_reports_come_on_a_thread_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """In order, all of them before the end, and past one that the application cannot bear."""
    told: list[str] = []

    def note(returned: Returned) -> None:
        told.append(returned.consumer)
        if returned.consumer == "1":
            raise ValueError("an application's defect")

    reporter = ReturnedReporter(note)
    for number in range(5):
        reporter.tell(Returned(str(number), (), (), "items", None))
    reporter.close(timeout_s=30)
    assert told == list("01234")
    assert "on_returned: failed for items of 1" in caplog.text


def test_a_slow_application_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """What is too far behind is dropped, and that is logged."""
    gate = threading.Event()

    def wait(_: Returned) -> None:
        gate.wait(30)

    reporter = ReturnedReporter(wait)
    for number in range(200):
        reporter.tell(Returned(str(number), ("name",), (), "items", None))
    assert "on_returned is too slow: it was not told of 1 items" in caplog.text
    gate.set()
    reporter.close(timeout_s=30)


@pytest.mark.parametrize(
    "header", [b'{"ttr_s":"soon"}', b'{"deliveries":"two"}', b"[" * 100_000, b'{"ttr_s":NaN}']
)
def test_a_claim_with_a_header_nobody_understands_comes_back(
    queue: Queue, world: World, header: bytes
) -> None:
    """Neither it nor what is held beside it is lost."""
    queue.put_many([b"1", b"2"], priority=7)
    queue.put(b"overdue", ttr_s=1)
    queue.reserve(3)
    path = TREE.claim(queue.consumer_id or "", "item-100-0000000000-0000000099")
    make(world, path, data=b"ZKMQ1 " + header + b"\npayload")
    janitor = janitor_of(world)
    world.scheduler.sleep(5)
    swept(janitor, world)
    assert (100, b"overdue") in places_of(world).items
    store = queue._store
    assert isinstance(store, MemoryStore)
    store.crash()
    world.scheduler.sleep(world.session_timeout_s + 1)
    swept(janitor, world)
    assert not places_of(world).claims
    assert len(places_of(world).items) == 4


def test_a_foreign_node_among_the_delayed_stops_nothing(
    queue: Queue, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside the minutes and in one; told once, and counted."""
    queue.put(b"x", delay_s=1)
    (minute,) = world.leader.tree.nodes["/queue/delayed"].children
    make(world, "/queue/delayed/x", "/queue/delayed/²", f"/queue/delayed/{minute}/note")
    janitor = janitor_of(world)
    world.scheduler.sleep(5)
    swept(janitor, world, steps=3)
    assert drained(queue) == [b"x"]
    assert len([each for each in caplog.records if "skipped: /queue/delayed/" in each.message]) == 3
    assert queue.stats().skipped == 3


def test_marks_go_with_their_nodes(queue: Queue, world: World) -> None:
    """What is skipped no more is not counted for ever."""
    make(world, "/queue/delayed/x")
    janitor = janitor_of(world)
    swept(janitor, world)
    world.scheduler.sleep(1)
    assert queue.stats().skipped == 1
    store = world.client("operator")
    store.commit([Delete("/queue/delayed/x")], store.now() + 9)
    swept(janitor, world)
    assert queue.stats().skipped == 0


def test_a_child_below_a_delayed_item_holds_up_that_one_alone(queue: Queue, world: World) -> None:
    """The others of its write are moved; it follows when the child has gone."""
    queue.put_many([b"1"])
    for data in (b"2", b"3", b"4"):
        queue.put(data, delay_s=1)
    (minute,) = world.leader.tree.nodes["/queue/delayed"].children
    names = sorted(world.leader.tree.nodes[f"/queue/delayed/{minute}"].children)
    child = f"/queue/delayed/{minute}/{names[1]}/child"
    make(world, child)
    janitor = janitor_of(world)
    world.scheduler.sleep(5)
    swept(janitor, world)
    assert sorted(drained(queue)) == [b"1", b"2", b"4"]
    store = world.client("operator")
    store.commit([Delete(child)], store.now() + 9)
    world.scheduler.sleep(601)
    swept(janitor, world)
    assert drained(queue) == [b"3"]


class Metered(MemoryStore):
    """Notes how many bytes were read before the first write that moves something."""

    read_bytes = 0
    before_first_move: int | None = None

    def read_many(self, reads: Sequence[Read], *args: Any, **options: Any) -> ReadResult:
        view = super().read_many(reads, *args, **options)
        data = (node.data for node in view.results if node and not isinstance(node, list))
        self.read_bytes += sum(map(len, data))
        return view

    def submit(self, ops: Sequence[Op]):  # type: ignore[no-untyped-def]  # noqa: ANN201
        if self.before_first_move is None and any("/items/" in op.path for op in ops):
            self.before_first_move = self.read_bytes
        return super().submit(ops)


def test_a_large_bucket_is_moved_as_it_is_read(queue: Queue, world: World) -> None:
    """4,000 items of 50 KB: the first move comes after some megabytes, and none is lost."""
    queue.put(b"x", delay_s=1)
    queue.put(b"y")
    (minute,) = world.leader.tree.nodes["/queue/delayed"].children
    data = envelope.wrap(b"z" * 50_000, {"delay_s": 1, "priority": 100})
    paths = [f"/queue/delayed/{minute}/d-100-many-{number}" for number in range(4000)]
    store = world.client("maker")
    for start in range(0, 4000, 20):
        store.submit([Create(path, data) for path in paths[start : start + 20]])
    world.scheduler.sleep(5)
    metered = Metered(world, "janitor")
    janitor = janitor_of(world, store=metered, segment_items=1000)
    ran(janitor, world, 10)
    assert metered.before_first_move is not None
    assert metered.before_first_move < 6_000_000
    assert not places_of(world).delayed
    assert queue.stats().waiting == {100: 4002}


def test_what_is_not_due_is_read_once(queue: Queue, world: World) -> None:
    """An item that is due within its minute is not read in each step until then."""
    queue.put(b"x" * 100_000, delay_s=50)
    store = Metered(world, "janitor")
    janitor = janitor_of(world, store=store)
    world.scheduler.sleep(45)
    swept(janitor, world, steps=10)
    assert store.read_bytes < 300_000


class Listing(MemoryStore):
    """Counts how often the bucket of an hour is listed."""

    listed = 0

    def list(self, path: str, *args: Any, **options: Any) -> list[str] | None:
        self.listed += path.startswith("/queue/dedup/")
        return super().list(path, *args, **options)


def test_old_ids_go_faster_than_they_come(queue: Queue, world: World) -> None:
    """An hour's list is asked for once in a slice, and thousands of ids go in a second."""
    queue.put(b"x", dedup_id="x")
    (hour, *_) = sorted(world.leader.tree.nodes["/queue/dedup"].children)
    store = world.client("maker")
    count = 20_000
    for start in range(0, count, 500):
        ids = range(start, start + 500)
        store.submit([Create(f"/queue/dedup/{hour}/{number:064x}") for number in ids])
    world.scheduler.sleep(4 * HOUR_MS / 1000)
    listing = Listing(world, "janitor")
    janitor = janitor_of(world, store=listing)
    began_s = world.scheduler.now_s
    ran(janitor, world, 1)
    assert f"/queue/dedup/{hour}" not in world.dump()
    assert count / (world.scheduler.now_s - began_s) > 4000
    assert listing.listed <= 3


def test_an_id_that_cannot_be_deleted_holds_up_no_other(queue: Queue, world: World) -> None:
    """Nor does it cost a write in each round."""
    queue.put(b"x", dedup_id="x")
    (hour, *_) = sorted(world.leader.tree.nodes["/queue/dedup"].children)
    make(world, f"/queue/dedup/{hour}/a", f"/queue/dedup/{hour}/a/b", f"/queue/dedup/{hour}/c")
    world.scheduler.sleep(4 * HOUR_MS / 1000)
    janitor = janitor_of(world)
    swept(janitor, world)
    assert world.leader.tree.nodes[f"/queue/dedup/{hour}"].children == {"a"}
    before = len(refused(world))
    swept(janitor, world, steps=5)
    assert len(refused(world)) == before


def refused(world: World) -> list[int]:
    """The zxids of writes that the servers refused."""
    return [
        each.zxid
        for each in world.leader.log
        if not each.effects and each.zxid not in _opened(world)
    ]


def _opened(world: World) -> set[int]:
    """The zxids at which sessions began or ended, which have no effects either."""
    return set(world.leader.ended.values())


def test_a_priority_whose_node_is_damaged_holds_up_no_other(
    queue: Queue, opened: Open, world: World
) -> None:
    """What returns to it goes to the dead with the reason, and what is due waits."""
    queue.put(b"held", priority=7)
    queue.put(b"other", priority=8)
    queue.put(b"later", priority=7, delay_s=1)
    died(world, opened)
    store = world.client("anybody")
    store.commit([SetData("/queue/items/007", b"hello", -1)], store.now() + 9)
    janitor = janitor_of(world)
    swept(janitor, world, steps=2)
    assert drained(queue) == [b"other"]
    (dead,) = queue.peek(place="dead")
    assert dead.data == b"held"
    assert "expected JSON with tail and purged" in (dead.reason or "")
    assert places_of(world).delayed == [(7, b"later")]


def test_a_thousand_foreign_nodes_are_told_and_no_more(
    queue: Queue, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever makes a million of them fills neither the log nor the tree."""
    caplog.set_level(logging.WARNING)
    store = world.client("anybody")
    for start in range(0, 3000, 500):
        store.submit([Create(f"/queue/delayed/x{n}") for n in range(start, start + 500)])
    janitor = janitor_of(world)
    swept(janitor, world, steps=3)
    assert len(world.leader.tree.nodes["/queue/skipped"].children) == 1000
    assert len(caplog.records) == 1001
