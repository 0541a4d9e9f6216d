"""The worker's loop, on the in-memory ZooKeeper and in virtual time."""

from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request
from worlds.memory.queues import Open, drained, places_of
from worlds.memory.store import World
from worlds.memory.zookeeper import READ, Quota
from worlds.workers.made import keep_house, worker_of
from zkmq import Job, Outcome, Queue
from zkmq.errors import OutcomeUnknownError, WorkerStuckError
from zkmq.putting.entry import Entry
from zkmq.working import jobs_in_hand
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import GIVE_BACK_S, Worker
from zkmq.zookeeper.store import Create

Handler = Callable[[Job], None]


class HandlerError(Exception):
    """What a handler raises."""


@pytest.fixture
def jobs() -> list[Job]:
    """Give a list in which handlers note their jobs."""
    return []


def test_an_item_is_done_when_its_handler_has_returned(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """While the handler runs the item is held, and afterwards it is gone."""
    queue.put_many([b"a", b"b"])
    held: list[int] = []

    def handle(job: Job) -> None:
        world.scheduler.sleep(1.0)
        held.append(len(places_of(world).claims))
        jobs.append(job)

    worker = worker_of(world, queue, handle, prefetch=0)
    worker.run()
    assert [job.data for job in jobs] == [b"a", b"b"]
    assert held == [1, 1]
    assert worker.outcomes == {Outcome.DONE: 2}
    assert queue.stats().held == 0


def test_a_failed_item_comes_back_later_and_later_and_then_is_dead(
    world: World, opened: Open
) -> None:
    """The times double, each shortened by up to a half; the error is the reason in `dead`."""
    queue = opened(max_deliveries=4)
    queue.put(b"poison")
    keep_house(world, period_s=0.1)
    at_s: list[float] = []

    def handle(job: Job) -> None:
        at_s.append(world.scheduler.now_s)
        raise HandlerError("no such customer")

    worker = worker_of(world, queue, handle, retry_s=8.0, retry_most_s=20.0)
    worker.run()
    away_s = [later - earlier for earlier, later in pairwise(at_s)]
    # The janitor moves what is due every 0.1 s, and looks at the servers' clock each second.
    for took_s, most_s in zip(away_s, (8.0, 16.0, 20.0), strict=True):
        assert most_s / 2 <= took_s <= most_s + 3.0
    (dead,) = queue.peek(place="dead")
    assert (dead.deliveries, dead.reason) == (4, "HandlerError: no such customer")
    assert worker.outcomes == {Outcome.RETRIED: 3, Outcome.DEAD: 1}


def test_an_item_is_touched_while_its_handler_runs_and_while_it_waits(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """Handlers of 20 s and a time to run of 3 s: each item is delivered once."""
    queue.put_many([Entry(data=data, ttr_s=3.0) for data in (b"a", b"b", b"c")])
    keep_house(world)

    def handle(job: Job) -> None:
        world.scheduler.sleep(20.0)
        jobs.append(job)

    worker = worker_of(world, queue, handle, prefetch=2)
    worker.run()
    assert [(job.data, job.delivery) for job in jobs] == [(b"a", 1), (b"b", 1), (b"c", 1)]
    assert worker.outcomes == {Outcome.DONE: 3}


def test_without_touch_the_same_items_are_taken_back(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    queue.put(b"a", ttr_s=3.0)
    keep_house(world)
    monkeypatch.setattr(jobs_in_hand, "_touch_s", lambda _: float("inf"))

    def handle(_: Job) -> None:
        world.scheduler.sleep(20.0)
        worker.stop()

    worker = worker_of(world, queue, handle)
    worker.run()
    assert worker.outcomes[Outcome.LOST] >= 1


def test_a_handler_over_its_time_limit_loses_its_item_and_keeps_its_place(
    world: World, opened: Open, jobs: list[Job]
) -> None:
    """Another handler goes on; the item counts as failed, and the handler is told."""
    queue = opened(max_deliveries=1)
    queue.put_many([b"slow", b"quick"])
    told_s: list[float] = []

    def handle(job: Job) -> None:
        if job.data == b"slow":
            while not job.lost.is_set():
                world.scheduler.sleep(0.1)
            told_s.append(world.scheduler.now_s)
        jobs.append(job)

    began_s = world.scheduler.now_s
    worker = worker_of(world, queue, handle, concurrency=2, time_limit_s=5.0)
    worker.run()
    assert worker.outcomes == {Outcome.DEAD: 1, Outcome.DONE: 1}
    assert queue.peek(place="dead")[0].reason == "TimeoutError: the handler ran for 5 s"
    assert 5.0 <= told_s[0] - began_s <= 7.0


def test_a_worker_whose_handlers_are_all_over_the_limit_stops(world: World, queue: Queue) -> None:
    """Else it would hold items that no handler can begin."""
    queue.put_many([b"a", b"b", b"c"])
    worker = worker_of(
        world, queue, lambda _: world.scheduler.sleep(1e6), time_limit_s=5.0, prefetch=1
    )
    with pytest.raises(WorkerStuckError, match="more than 5 s"):
        worker.run()
    assert worker.outcomes == {Outcome.RETRIED: 1, Outcome.GIVEN_BACK: 1}
    assert queue.stats().held == 0


def test_a_stop_gives_back_what_was_not_begun_and_waits_for_what_was(
    world: World, opened: Open, jobs: list[Job]
) -> None:
    """What goes back has its old place, and the delivery does not count."""
    queue = opened(max_deliveries=1)
    queue.put_many([b"a", b"b", b"c"])

    def handle(job: Job) -> None:
        jobs.append(job)
        worker.stop()
        world.scheduler.sleep(5.0)

    worker = worker_of(world, queue, handle, prefetch=2, stop_within_s=10.0)
    worker.run()
    assert [job.data for job in jobs] == [b"a"]
    assert worker.outcomes == {Outcome.DONE: 1, Outcome.GIVEN_BACK: 2}
    assert drained(opened("other")) == [b"b", b"c"]


def test_a_handler_that_does_not_return_does_not_delay_a_stop(
    world: World, opened: Open, jobs: list[Job]
) -> None:
    """At the deadline its item goes back, and it is told."""
    queue = opened(max_deliveries=1)
    queue.put(b"a")

    def handle(job: Job) -> None:
        jobs.append(job)
        worker.stop()
        world.scheduler.sleep(1e6)

    worker = worker_of(world, queue, handle, stop_within_s=3.0)
    began_s = world.scheduler.now_s
    worker.run()
    assert 3.0 <= world.scheduler.now_s - began_s <= 3.0 + GIVE_BACK_S
    assert jobs[0].lost.is_set()
    assert jobs[0].outcome is Outcome.GIVEN_BACK
    assert drained(opened("other")) == [b"a"]


def test_a_stop_in_an_outage_ends_in_time(world: World, queue: Queue) -> None:
    """Who waits for the loop goes on at the deadline, though a call still waits for servers."""
    queue.put(b"a")

    def handle(job: Job) -> None:
        queue._store.cut(100.0)  # type: ignore[attr-defined]
        worker.stop()

    worker = worker_of(world, queue, handle, stop_within_s=3.0)
    began_s = world.scheduler.now_s
    world.scheduler.spawn("worker", worker.run)
    assert not worker.join()
    assert world.scheduler.now_s - began_s <= 3.0 + GIVE_BACK_S + 0.1
    assert worker.outcomes == {Outcome.STILL_HELD: 1}


def test_a_lost_session_is_told_to_handlers_and_the_loop_goes_on(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """`lost` is set while the handler runs; the item comes again, to the worker's new session."""
    queue.put(b"a")
    keep_house(world)

    def handle(job: Job) -> None:
        jobs.append(job)
        if job.delivery == 1:
            queue._store.expire()  # type: ignore[attr-defined]
            world.scheduler.sleep(1.0)
            assert job.lost.is_set()

    worker = worker_of(world, queue, handle)
    worker.run()
    assert [job.delivery for job in jobs] == [1, 2]
    assert [job.outcome for job in jobs] == [Outcome.LOST, Outcome.DONE]
    assert not jobs[1].lost.is_set()


def test_an_acknowledgement_in_doubt_is_settled(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """The answer to it is lost for longer than its deadline: the job is done, and only once."""
    queue.put(b"a")
    queue.deadline_s = 0.5
    world.faults = Strike("done", Fault.LOSE_REPLY)

    worker = worker_of(world, queue, jobs.append)
    worker.run()
    assert [job.outcome for job in jobs] == [Outcome.DONE]
    assert worker.outcomes == {Outcome.DONE: 1}


def test_an_acknowledgement_that_ends_with_its_session_is_unknown(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """Whether it took effect can never be known, and the worker says so."""
    queue.put(b"a")
    queue.deadline_s = 0.5
    world.faults = Strike("done", Fault.EXPIRE_AFTER)
    worker = worker_of(world, queue, jobs.append)
    worker.run()
    assert worker.outcomes == {Outcome.UNKNOWN: 1}
    assert jobs[0].outcome is Outcome.UNKNOWN

    assert list(worker.in_doubt) == jobs
    assert jobs[0].resolve() is Outcome.UNKNOWN
    assert queue.inspect(jobs[0].id) is None  # it took effect


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Fault.LOSE_REPLY, Outcome.DONE), (Fault.LOSE_REQUEST, Outcome.STILL_HELD)],
)
def test_a_job_in_doubt_when_its_worker_stops_can_be_asked(
    world: World, queue: Queue, jobs: list[Job], fault: Fault, outcome: Outcome
) -> None:
    """The servers do not answer the acknowledgement until the worker has to stop: the job is
    unknown, neither done nor held, and tells what became of it when the servers answer again.
    """
    queue.put(b"a")
    queue.deadline_s = 0.5
    strike = Strike("done", fault)

    def strike_and_cut(number: int, request: Request) -> Fault | None:
        if found := strike(number, request):
            queue._store.cut(5.0)  # type: ignore[attr-defined]
        return found

    def handle(job: Job) -> None:
        jobs.append(job)
        worker.stop()
        world.faults = strike_and_cut

    worker = worker_of(world, queue, handle, stop_within_s=1.0)
    worker.run()
    assert worker.outcomes == {Outcome.UNKNOWN: 1}
    assert list(worker.in_doubt) == jobs
    with pytest.raises(OutcomeUnknownError):
        jobs[0].resolve()
    world.scheduler.sleep(10.0)
    assert jobs[0].resolve() is outcome
    assert jobs[0].resolve() is jobs[0].outcome


class Breaks:
    """A context manager of a handler whose `__exit__` raises."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        raise HandlerError("the clean-up failed")


def test_an_error_of_an_exit_is_the_handlers_error(
    world: World, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """An `__exit__` that raises makes the item come back, and is the reason in the end; the log has
    the error before it too.
    """
    queue = opened(max_deliveries=2)
    queue.put(b"a")

    def handle(job: Job) -> None:
        with Breaks():
            raise KeyError("the first error")

    worker = worker_of(world, queue, handle, retry_s=0.0)
    worker.run()
    assert worker.outcomes == {Outcome.RETRIED: 1, Outcome.DEAD: 1}
    assert [dead.reason for dead in queue.peek(place="dead")] == [
        "HandlerError: the clean-up failed"
    ]
    assert "the first error" in caplog.text


@pytest.mark.parametrize("inside", [True, False])
def test_an_error_after_the_end_of_a_job_is_seen(
    world: World, opened: Open, caplog: pytest.LogCaptureFixture, *, inside: bool
) -> None:
    """Inside `with job:` an `__exit__` that raises brings the item back; outside, the item is done
    already, and the error is in the log.
    """
    queue = opened(max_deliveries=1)
    queue.put(b"a")

    def handle(job: Job) -> None:
        if inside:
            with job, Breaks():
                pass
        else:
            with Breaks(), job:
                pass

    worker = worker_of(world, queue, handle)
    worker.run()
    assert worker.outcomes == {Outcome.DEAD if inside else Outcome.DONE: 1}
    told = "a handler failed after its items had ended: HandlerError: the clean-up failed"
    assert (told in caplog.text) is not inside


def test_a_busy_worker_needs_less_than_one_write_for_an_item(world: World, queue: Queue) -> None:
    """Eight handlers that are done at once: one write acknowledges for all, and takes for all."""
    queue.put_many([b"%d" % number for number in range(80)])
    before = len(world.leader.log)
    worker = worker_of(world, queue, lambda _: None, concurrency=8)
    worker.run()
    assert worker.outcomes == {Outcome.DONE: 80}
    assert len(world.leader.log) - before < 60


def test_a_worker_holds_no_more_than_it_was_told(world: World, queue: Queue) -> None:
    """With two handlers and one item ahead, three items are held at most."""
    queue.put_many([b"%d" % number for number in range(9)])
    held: list[int] = []

    def handle(_: Job) -> None:
        world.scheduler.sleep(1.0)
        held.append(len(places_of(world).claims))

    worker_of(world, queue, handle, concurrency=2, prefetch=1).run()
    assert (max(held), len(held)) == (3, 9)


def test_a_rate_is_kept(world: World, queue: Queue) -> None:
    """Two items a second, from the first second on."""
    queue.put_many([b"%d" % number for number in range(9)])
    at_s: list[float] = []
    worker_of(
        world, queue, lambda _: at_s.append(world.scheduler.now_s), concurrency=4, rate_hz=2.0
    ).run()
    gaps_s = [later - earlier for earlier, later in pairwise(at_s)]
    assert len(gaps_s) == 8
    assert min(gaps_s) > 0.45
    assert max(gaps_s) < 0.6


def test_a_batch_is_done_or_tried_again_as_a_whole(world: World, opened: Open) -> None:
    """The handler gets what there is, up to the number; an error brings all of them back."""
    queue = opened()
    queue.put_many([b"a", b"b", b"c"])
    keep_house(world)
    seen: list[list[bytes]] = []

    def handle(jobs: list[Job]) -> None:
        seen.append([job.data for job in jobs])
        if len(seen) == 1:
            raise HandlerError

    worker = worker_of(world, queue, handle, batch=2, prefetch=0, retry_s=1.0)
    worker.run()
    assert seen[0] == [b"a", b"b"]
    assert sorted(data for batch in seen[1:] for data in batch) == [b"a", b"b", b"c"]
    assert worker.outcomes == {Outcome.RETRIED: 2, Outcome.DONE: 3}


def test_a_job_of_a_batch_may_end_by_itself(world: World, opened: Open) -> None:
    """`with job:` decides about that job, whatever becomes of the batch."""
    queue = opened(max_deliveries=1)
    queue.put_many([b"good", b"bad", b"rest"])

    def handle(jobs: list[Job]) -> None:
        for job in jobs[:2]:
            with job:
                if job.data == b"bad":
                    raise HandlerError("bad")
        raise HandlerError("the batch")

    worker = worker_of(world, queue, handle, batch=3)
    worker.run()
    assert worker.outcomes == {Outcome.DONE: 1, Outcome.DEAD: 2}
    reasons = {each.data: each.reason for each in queue.peek(9, place="dead")}
    assert reasons == {b"bad": "HandlerError: bad", b"rest": "HandlerError: the batch"}


def test_an_item_that_cannot_be_acknowledged_stops_no_other(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """A foreign child below a held item refuses its deletion: the others are done."""
    queue.put_many([b"a", b"b"])

    def handle(job: Job) -> None:
        jobs.append(job)
        if job.data == b"a":
            path = queue._tree.claim(job.item.consumer, job.item.name)
            world.client("foreign").commit([Create(f"{path}/foreign")], world.scheduler.now_s + 9)
        world.scheduler.sleep(1.0)

    worker = worker_of(world, queue, handle, concurrency=2)
    worker.run()
    assert {job.data: job.outcome for job in jobs} == {
        b"a": Outcome.STILL_HELD,
        b"b": Outcome.DONE,
    }


def test_an_executor_that_accepts_nothing_ends_the_worker(world: World, queue: Queue) -> None:
    """The items go back, and who waits for the worker gets the executor's error."""
    queue.put_many([b"a", b"b"])

    def refuse(_: list[Job]) -> Future[None]:
        raise RuntimeError("cannot schedule new futures after shutdown")

    worker = Worker(queue._consumer, queue._store, WorkSettings(), refuse)
    with pytest.raises(RuntimeError, match="after shutdown"):
        worker.run()
    assert queue.stats().held == 0
    assert drained(queue) == [b"a", b"b"]


def test_an_outage_is_not_taken_for_an_idle_queue(world: World, queue: Queue) -> None:
    """A worker that stops after two idle seconds goes on after eight without servers."""
    queue.put_many([b"a", b"b"])
    queue.deadline_s = 1.0

    def handle(job: Job) -> None:
        if job.data == b"a":
            queue._store.cut(8.0)  # type: ignore[attr-defined]

    worker = worker_of(world, queue, handle, prefetch=0, idle_s=2.0)
    worker.run()
    assert worker.outcomes == {Outcome.DONE: 2}


def test_a_handler_that_was_cancelled_as_all_stopped_has_not_failed(
    world: World, queue: Queue
) -> None:
    """Its item goes back at once, and the delivery does not count; without a stop it does."""

    def outcome_of(*, stops: bool) -> Outcome:
        queue.put(b"a" if stops else b"b")

        def begin(jobs: list[Job]) -> Future[None]:
            future: Future[None] = Future()
            future.set_running_or_notify_cancel()
            if stops:
                worker.stop()
            future.set_exception(KeyboardInterrupt())
            return future

        worker = Worker(queue._consumer, queue._store, WorkSettings(idle_s=0.0), begin)
        worker.run()
        (outcome,) = worker.outcomes
        return outcome

    assert outcome_of(stops=False) is Outcome.RETRIED
    assert outcome_of(stops=True) is Outcome.GIVEN_BACK


@pytest.mark.parametrize("kind", ["count", "size"])
def test_a_failed_item_for_which_there_is_no_room_keeps_no_other_from_its_end(
    world: World, queue: Queue, jobs: list[Job], kind: str
) -> None:
    """It stays held, the others are acknowledged, and it comes back when there is room."""
    queue.put_many([b"bad", b"good", b"good"])

    def handle(job: Job) -> None:
        jobs.append(job)
        if job.data == b"bad" and job.delivery == 1:
            dump = {path: data for path, data in world.dump().items() if path.startswith("/queue")}
            used = len(dump) if kind == "count" else sum(map(len, dump.values()))
            world.leader.quotas["/queue"] = Quota(**{kind: used})
            raise HandlerError("no")
        world.scheduler.sleep(5.0)

    keep_house(world, period_s=0.5)
    worker = worker_of(world, queue, handle, concurrency=3, retry_s=1.0, idle_s=20.0)
    seen: list[int] = []
    world.scheduler.after(25.0, lambda: seen.append(worker.outcomes[Outcome.DONE]))
    world.scheduler.after(30.0, world.leader.quotas.clear)
    worker.run()
    assert seen == [2]
    assert sorted(job.data for job in jobs) == [b"bad", b"bad", b"good", b"good"]
    assert worker.outcomes == {Outcome.DONE: 3, Outcome.RETRIED: 1}
    assert queue.stats().held == 0


def test_a_worker_that_stops_at_a_full_quota_leaves_what_cannot_go_back(
    world: World, queue: Queue
) -> None:
    """It ends in time, and tells what is still held."""
    queue.put_many([b"a", b"b"])

    def handle(job: Job) -> None:
        world.leader.quotas["/queue"] = Quota(count=1)
        worker.stop(3.0)
        raise HandlerError("no")

    worker = worker_of(world, queue, handle, concurrency=1, prefetch=1)
    began_s = world.scheduler.now_s
    worker.run()
    assert world.scheduler.now_s - began_s < 10
    assert worker.outcomes == {Outcome.STILL_HELD: 2}


def test_a_place_that_may_not_be_written_ends_no_worker(
    world: World, queue: Queue, jobs: list[Job]
) -> None:
    """The item that cannot go back to it stays held, and the others are done."""
    queue.put(b"bad", priority=7)
    queue.put_many([b"good", b"good"])
    world.leader.allowed["/queue/delayed"] = READ

    def handle(job: Job) -> None:
        jobs.append(job)
        if job.data == b"bad":
            raise HandlerError("no")

    worker = worker_of(world, queue, handle)
    worker.run()
    assert [job.data for job in jobs] == [b"bad", b"good", b"good"]
    assert worker.outcomes == {Outcome.DONE: 2, Outcome.STILL_HELD: 1}
