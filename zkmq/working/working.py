"""`Queue.work` and `Queue.consume`: a worker's loop on a thread, and who does the work."""

import inspect
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from signal import Signals
from typing import Any

from zkmq.errors import BadArgumentError
from zkmq.taking.consumer import Consumer
from zkmq.working.daemon_threads import DaemonThreads
from zkmq.working.graceful_stop import stopping_on
from zkmq.working.job import Job
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import TURN_S, Worker
from zkmq.zookeeper.store import Store

# Starts a function on a thread of its own.
Spawn = Callable[[str, Callable[[], None]], object]


@dataclass(frozen=True, slots=True)
class Worked:
    """How many jobs of a worker ended in which way; `Outcome` says what each means.

    `in_doubt` has the last of the jobs whose outcome is unknown, a thousand at most. Their
    `resolve()` finds out.
    """

    done: int = 0
    retried: int = 0
    dead: int = 0
    lost: int = 0
    unknown: int = 0
    given_back: int = 0
    still_held: int = 0
    in_doubt: tuple[Job, ...] = field(default=(), repr=False, compare=False)


def daemon(name: str, body: Callable[[], None]) -> None:
    """Start a daemon thread."""
    threading.Thread(target=body, name=name, daemon=True).start()


def work(
    consumer: Consumer,
    store: Store,
    handler: Callable[[Any], object],
    settings: WorkSettings,
    *,
    executor: Executor | None,
    stop_on: Sequence[Signals],
) -> Worked:
    """Run `handler` on every item until the worker stops."""
    threads = executor or DaemonThreads(settings.concurrency)
    call = _call_one if settings.batch is None else _call_many

    def begin(jobs: list[Job]) -> Future[Any]:
        return threads.submit(call, handler, jobs)

    try:
        return run(Worker(consumer, store, settings, begin), stop_on)
    finally:
        if executor is None:
            threads.shutdown(wait=False)


def run(worker: Worker, stop_on: Sequence[Signals] = (), spawn: Spawn = daemon) -> Worked:
    """Run a worker on a thread until it stops; raise what it raised."""
    try:
        with stopping_on(stop_on, worker.stop):
            spawn("zkmq-worker", lambda: _run_quietly(worker))
            worker.join()
    finally:
        worker.stop(0.0)  # in case an exception interrupted the wait
    if worker.error is not None:
        raise worker.error
    counts = {outcome.name.lower(): count for outcome, count in worker.outcomes.items()}
    return Worked(**counts, in_doubt=tuple(worker.in_doubt))


def consume(
    consumer: Consumer,
    store: Store,
    settings: WorkSettings,
    *,
    stop_on: Sequence[Signals],
    spawn: Spawn = daemon,
) -> Iterator[Job]:
    """Give one job after the other to the caller, who is the handler."""
    loop = CallersLoop(store)
    worker = Worker(consumer, store, settings, loop.begin)
    loop.worker = worker

    def run_worker() -> None:
        _run_quietly(worker)
        loop.wake()

    with stopping_on(stop_on, worker.stop):
        spawn("zkmq-worker", run_worker)
        try:
            while (job := loop.next()) is not None:
                yield job
                if not job.ended:
                    raise BadArgumentError(
                        f"consume: {job.id}: expected the work in `with job:`, got the next turn "
                        "of the loop without it; the item goes back"
                    )
        finally:
            worker.stop(0.0 if loop.is_working else None)
            worker.join()
    if worker.error is not None:
        raise worker.error


class CallersLoop:
    """The loop of a caller as the place where jobs are worked on."""

    worker: Worker

    def __init__(self, store: Store) -> None:
        self._store = store
        self._came = store.signal()
        self._waiting: deque[tuple[Job, Future[None]]] = deque()
        self._current: tuple[Job, Future[None]] | None = None

    @property
    def is_working(self) -> bool:
        """Whether the caller has a job that has not ended."""
        return self._current is not None and not self._current[0].ended

    def begin(self, jobs: list[Job]) -> Future[Any]:
        """Add a job; it begins when the caller asks for it."""
        future: Future[None] = Future()
        self._waiting.append((jobs[0], future))
        self._came.set()
        return future

    def wake(self) -> None:
        """Let the caller see that the worker has stopped."""
        self._came.set()

    def next(self) -> Job | None:
        """Wait for the next job; None when the worker has stopped."""
        if self._current is not None:
            self._current[1].set_result(None)
            self._current = None
        while not self.worker.is_over:
            while self._waiting:
                job, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    self._current = job, future
                    return job
            self._came.wait(self._store.now() + TURN_S)
        return None


def _run_quietly(worker: Worker) -> None:
    with suppress(BaseException):  # `worker.error` has it
        worker.run()


def _call_one(handler: Callable[[Job], object], jobs: list[Job]) -> None:
    for job in jobs:
        if not job.lost.is_set():
            _require_worked(handler(job))


def _call_many(handler: Callable[[list[Job]], object], jobs: list[Job]) -> None:
    if held := [job for job in jobs if not job.lost.is_set()]:
        _require_worked(handler(held))


def _require_worked(result: object) -> None:
    """Let a handler fail that has made a coroutine, such as a lambda, and done no work."""
    if inspect.iscoroutine(result):
        result.close()
        raise BadArgumentError(
            "work: handler: expected a function that does its work when it is called, got one "
            "that returns a coroutine; use zkmq.aio.Queue, or call asyncio.run in the handler"
        )
