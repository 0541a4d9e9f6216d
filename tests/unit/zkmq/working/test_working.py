"""`Queue.work` and `Queue.consume` with real threads, on a server in memory with real sockets."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Job, Outcome, Queue, Worked
from zkmq.errors import BadArgumentError, ClosedError
from zkmq.tree.item import Item
from zkmq.working.daemon_threads import DaemonThreads
from zkmq.working.graceful_stop import stopping_on

pytestmark = pytest.mark.medium

SOON_S = 60.0


class HandlerError(Exception):
    """What a handler raises."""


@pytest.fixture
def queue() -> Iterator[Queue]:
    """A queue whose items die at their second failure."""
    with (
        WireZooKeeper() as server,
        Queue.connect(server.address, "/q", max_deliveries=2, order="strict") as opened,
    ):
        yield opened


def job_of(data: bytes) -> Job:
    """A job that no worker waits for."""
    return Job(Item(data, "item-100-0000000000-0000000000", "c", 1, 7, 7, header={"ttr_s": 3}))


def test_work_calls_the_handler_on_threads_until_the_queue_is_idle(queue: Queue) -> None:
    """Every item is handled; the one that fails twice is dead with its reason."""
    queue.put_many([b"%d" % number for number in range(50)])
    names, seen = set(), []

    def handle(job: Job) -> None:
        names.add(threading.current_thread().name)
        seen.append(job.data)
        time.sleep(0.005)
        if job.data == b"7":
            raise HandlerError("seven")

    worked = queue.work(handle, concurrency=4, retry_s=0.0, idle_s=2.0)
    assert worked == Worked(done=49, retried=1, dead=1)
    assert sorted(seen) == sorted([b"%d" % number for number in range(50)] + [b"7"])
    assert len(names) > 1
    assert [each.reason for each in queue.peek(place="dead")] == ["HandlerError: seven"]


def test_work_stops_at_sigterm(queue: Queue) -> None:
    """The handler that runs is waited for, and what was not begun goes back."""
    queue.put_many([b"a", b"b", b"c"])
    finished = []

    def handle(job: Job) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        until_s = time.monotonic() + SOON_S
        while queue.stats().held > 1 and time.monotonic() < until_s:
            time.sleep(0.01)
        finished.append(job.data)

    before = signal.getsignal(signal.SIGTERM)
    worked = queue.work(handle, prefetch=2)
    assert (finished, worked) == ([b"a"], Worked(done=1, given_back=2))
    assert signal.getsignal(signal.SIGTERM) is before
    assert queue.stats().waiting[100] == 2


def test_handlers_may_run_in_processes(queue: Queue) -> None:
    """An executor of the caller's gets pickled jobs; an error there brings the item back."""
    queue.put_many([b"1", b"2", b"x"])
    with ProcessPoolExecutor(2) as processes:
        worked = queue.work(_demand_number, executor=processes, retry_s=0.0, idle_s=3.0)
    assert worked == Worked(done=2, retried=1, dead=1)
    (dead,) = queue.peek(place="dead")
    assert dead.reason is not None
    assert dead.reason.startswith("ValueError: invalid literal")


def _demand_number(job: Job) -> int:
    with job:  # does nothing in another process
        return int(job.data)


@pytest.mark.parametrize("batch", [None, 2])
def test_a_coroutine_is_no_work(queue: Queue, batch: int | None) -> None:
    """A handler that returns one has failed; its items come back, and are dead in the end."""

    async def handle(jobs: object) -> None: ...

    queue.put(b"a")
    worked = queue.work(lambda jobs: handle(jobs), batch=batch, retry_s=0.0, idle_s=3.0)  # noqa: PLW0108
    assert worked == Worked(retried=1, dead=1)
    (dead,) = queue.peek(place="dead")
    assert dead.reason is not None
    assert "returns a coroutine; use zkmq.aio.Queue" in dead.reason


def test_a_queue_that_is_closed_ends_the_work(queue: Queue) -> None:
    """With the error that its calls give, and with the handler told."""
    queue.put(b"a")
    told = []

    def handle(job: Job) -> None:
        queue.close()
        told.append(job.lost.wait(SOON_S))

    with pytest.raises(ClosedError):
        queue.work(handle)
    until_s = time.monotonic() + SOON_S
    while not told and time.monotonic() < until_s:
        time.sleep(0.01)
    assert told == [True]


def test_a_handler_may_end_its_item_by_itself(queue: Queue) -> None:
    """The loop then leaves the item alone, whether the handler returns or raises."""
    queue.put_many([b"buried", b"done"])

    def handle(job: Job) -> None:
        if job.data == b"buried":
            queue.bury(job.item, reason="mine")
        else:
            queue.done(job.item)
            raise HandlerError

    worked = queue.work(handle, idle_s=0.5)
    assert worked == Worked(done=1, retried=1)
    assert [each.reason for each in queue.peek(place="dead")] == ["mine"]
    assert queue.stats().held == 0


def test_work_refuses_settings_that_make_no_sense(queue: Queue) -> None:
    """Nothing is taken, and the error says what was expected."""
    for settings in (
        {"concurrency": 0},
        {"prefetch": -1},
        {"batch": 501},
        {"rate_hz": 0},
        {"retry_s": -1.0},
        {"time_limit_s": float("nan")},
    ):
        with pytest.raises(BadArgumentError, match=f"work: {next(iter(settings))}: expected"):
            queue.work(print, **settings)
    with pytest.raises(BadArgumentError, match="consume: batch: expected none"):
        queue.consume(batch=3)
    queue.close()
    with pytest.raises(ClosedError):
        queue.work(print)
    with pytest.raises(ClosedError):
        queue.consume()


def test_consume_gives_one_job_after_the_other(queue: Queue) -> None:
    """A block that raises brings its item back and the loop goes on."""
    queue.put_many([b"a", b"b", b"c"])
    outcomes = []
    for job in queue.consume(idle_s=2.0, retry_s=0.0):
        with job:
            outcomes.append((job.data, job.delivery))
            if job.data == b"b":
                raise HandlerError("b")
    assert sorted(outcomes) == [(b"a", 1), (b"b", 1), (b"b", 2), (b"c", 1)]
    assert [each.reason for each in queue.peek(place="dead")] == ["HandlerError: b"]


def test_leaving_the_loop_acknowledges_and_gives_back(queue: Queue) -> None:
    """The job of the turn that leaves is done, the next ones wait again, delivered for nothing."""
    queue.put_many([b"a", b"b", b"c"])
    with closing(queue.consume(prefetch=5)) as jobs:  # type: ignore[type-var]
        for job in jobs:
            with job:
                break
    assert job.outcome is Outcome.DONE
    assert [each.data for each in queue.peek(5)] == [b"b", b"c"]
    assert queue.stats().held == 0


def test_a_turn_without_with_is_an_error(queue: Queue) -> None:
    """The item goes back: nobody said whether the work succeeded."""
    queue.put_many([b"a", b"b"])
    with pytest.raises(BadArgumentError, match="expected the work in `with job:`"):
        for _ in queue.consume(idle_s=1.0):
            pass
    assert queue.stats().waiting[100] == 2


def test_an_interrupt_gives_the_item_back_and_goes_on_upwards(queue: Queue) -> None:
    """Ctrl-C says nothing about the item: it waits again at once, and the delivery is forgiven."""
    queue.put(b"a")
    jobs = queue.consume()
    job = next(jobs)
    with pytest.raises(KeyboardInterrupt), job:
        raise KeyboardInterrupt
    jobs.close()  # type: ignore[attr-defined]
    assert job.outcome is Outcome.GIVEN_BACK
    for again in queue.consume(idle_s=1.0):
        with again:
            assert again.delivery == 2
            assert again.item.header["forgiven"] == 1


def test_a_job_in_another_process_is_a_copy() -> None:
    """It has what the handler needs; `with job:` there hides no error."""
    copy = pickle.loads(pickle.dumps(job_of(b"a")))  # noqa: S301 - our own
    assert (copy.data, copy.id, copy.delivery, copy.fence, copy.priority) == (
        b"a",
        "item-100-0000000000-0000000000",
        1,
        7,
        100,
    )
    assert repr(copy) == "Job('item-100-0000000000-0000000000', delivery=1, held)"
    with pytest.raises(HandlerError), copy:
        raise HandlerError


def test_daemon_threads_keep_no_process_alive() -> None:
    """They give results and errors, skip what was cancelled, and end when they are shut down."""
    threads = DaemonThreads(1)
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        go_on.wait(SOON_S)
        return 1

    first, second = threads.submit(wait), threads.submit(wait)
    assert begun.wait(SOON_S)
    assert second.cancel()
    assert not first.cancel()
    go_on.set()
    assert first.result(SOON_S) == 1
    assert isinstance(threads.submit(int, "x").exception(SOON_S), ValueError)
    assert threads.submit(lambda: threading.current_thread().daemon).result(SOON_S)
    thread = threads.submit(threading.current_thread).result(SOON_S)
    threads.shutdown()
    thread.join(SOON_S)
    assert not thread.is_alive()


def test_the_second_signal_does_what_it_did_before() -> None:
    """A worker that does not stop can still be interrupted; afterwards nothing is left."""
    stopped = threading.Event()
    # A process that a shell starts in the background ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stopping_on([signal.SIGINT], stopped.set):
            os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(SOON_S)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_stops_all_workers_of_an_event_loop() -> None:
    """In whatever order they begin and end; afterwards the handler is the one from before."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = [threading.Event() for _ in range(3)]
    try:
        first, second, third = (stopping_on([signal.SIGTERM], each.set) for each in told)
        first.__enter__()
        with second:
            third.__enter__()
            first.__exit__(None, None, None)
            os.kill(os.getpid(), signal.SIGTERM)
            assert all(each.wait(SOON_S) for each in told[1:])
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        third.__exit__(None, None, None)
        assert not told[0].is_set()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_only_the_main_thread_handles_signals() -> None:
    """On another thread, work goes without: `Worker.stop` and `idle_s` end it."""
    handlers = []

    def look() -> None:
        with stopping_on([signal.SIGTERM], lambda: None):
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(SOON_S)
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_a_callers_loop_ends_with_its_worker(queue: Queue) -> None:
    """An error of the worker comes out of the loop."""
    queue.put(b"a")
    jobs = queue.consume()
    with next(jobs):
        queue.close()
    with pytest.raises(ClosedError):
        next(jobs)
