"""The calls of a worker's handlers: which have ended, and which call for too long."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from zkmq.working.job import Job

# How often to see whether a handler has begun, for its time limit.
SEE_S = 1.0

# Gives jobs to a handler. The future is cancelled if the jobs are to go back before it runs.
Begin = Callable[[list[Job]], Future[Any]]


@dataclass(eq=False, slots=True)
class HandlerCall:
    """One call of the handler. `began_s` is when it was first seen to run."""

    jobs: list[Job]
    future: Future[Any]
    began_s: float | None = None

    def end(self) -> list[Job]:
        """Let the jobs end that have not ended by themselves; return them."""
        jobs = [job for job in self.jobs if not job.ended]
        for job in jobs:
            job.ended = True
        return jobs


class HandlerCalls:
    """The calls that have not ended, in the order in which they began.

    A call is overdue once it runs for longer than `limit_s`. Its jobs are taken away; the handler
    goes on. `ended` is called, from any thread, when a call ends. Only the worker's loop calls the
    methods.
    """

    def __init__(self, begin: Begin, *, limit_s: float, ended: Callable[[], None]) -> None:
        self._begin = begin
        self._limit_s = limit_s
        self._tell_ended = ended
        self._running: dict[HandlerCall, None] = {}  # as a set
        self._overdue: set[HandlerCall] = set()
        # Filled by other threads.
        self._ended: deque[HandlerCall] = deque()

    @property
    def has_ended(self) -> bool:
        """Whether `ended` has something to give."""
        return bool(self._ended)

    @property
    def overdue(self) -> int:
        """How many handlers run for too long."""
        return len(self._overdue)

    @property
    def overdue_jobs(self) -> int:
        """How many jobs those handlers were given."""
        return sum(len(call.jobs) for call in self._overdue)

    def start(self, jobs: list[Job]) -> None:
        """Give jobs to a handler.

        Raises:
            RuntimeError: the executor takes no more calls. `call_off` returns the jobs.
        """
        call = HandlerCall(jobs, Future())
        self._running[call] = None
        call.future = self._begin(jobs)
        call.future.add_done_callback(lambda _: self._call_ended(call))

    def ended(self) -> Iterator[tuple[list[Job], BaseException | None]]:
        """Give the jobs of the calls that have ended, without those that ended before, each once.

        With them comes the error that the handler raised.
        """
        while self._ended:
            call = self._ended.popleft()
            self._running.pop(call, None)
            self._overdue.discard(call)
            if not call.future.cancelled():
                yield call.end(), call.future.exception()

    def over_time(self, now_s: float) -> list[HandlerCall]:
        """Return the calls that are overdue since now."""
        if self._limit_s == float("inf"):
            return []
        late = []
        for call in self._running:
            if call.began_s is None and call.future.running():
                call.began_s = now_s
            if call.began_s is not None and now_s >= call.began_s + self._limit_s:
                late.append(call)
        for call in late:
            del self._running[call]
        self._overdue.update(late)
        return late

    def call_off(self, *, also_begun: bool) -> list[Job]:
        """Cancel the calls that have not begun, and leave the others too if told; return the jobs.

        Handlers that have begun go on.
        """
        jobs: list[Job] = []
        for call in list(self._running):
            if call.future.cancel() or also_begun:
                self._running.pop(call, None)
                jobs += call.end()
        return jobs

    def cancel(self) -> None:
        """Cancel the calls that have not begun, and keep their jobs."""
        for call in self._running:
            call.future.cancel()

    def due_s(self, now_s: float) -> list[float]:
        """Return when to look at each call again for its time limit."""
        if self._limit_s == float("inf"):
            return []
        return [
            now_s + SEE_S if call.began_s is None else call.began_s + self._limit_s
            for call in self._running
        ]

    def _call_ended(self, call: HandlerCall) -> None:
        self._ended.append(call)
        self._tell_ended()
