"""The worker: one loop that takes items, has handlers run on them, and ends each item.

All calls to the servers come from this loop, on one thread; handlers run elsewhere. While one write
is under way, other handlers finish, and the next write acknowledges them together and takes as many
new items. So a worker that is busy needs less than one write for an item.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Protocol

from zkmq.errors import WorkerStuckError
from zkmq.taking.reserve import MAX_BATCH
from zkmq.tree.item import Item
from zkmq.working.ending import JobEnding, WorkerConsumer, said
from zkmq.working.handler_calls import Begin, HandlerCalls
from zkmq.working.job import Job, Outcome
from zkmq.working.jobs_in_hand import JobsInHand
from zkmq.working.rate_limit import RateLimit
from zkmq.working.work_settings import WorkSettings
from zkmq.zookeeper.store import Signal

# The longest wait of the loop, if nothing is due before.
TURN_S = 60.0
# How long a job is kept that the servers refused to move, before it is tried again.
AGAIN_S = 1.0
# How long a worker that has to stop waits for the servers to take the items back.
GIVE_BACK_S = 1.0

EndJob = Callable[[Job], None]

log = logging.getLogger("zkmq.working")


class WorkerClock(Protocol):
    """What a worker uses of a store: the time, and signals that wait by it."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def signal(self) -> Signal:
        """Make a signal for one waiter."""


class Worker:
    """Takes items and ends them, from `run` to `stop`.

    `begin` starts a handler and returns its future; it must not block. `left` gets what is still
    held at the end. What `run` raises is also in `error`, since it may run on its own thread.
    """

    def __init__(
        self,
        consumer: WorkerConsumer,
        clock: WorkerClock,
        settings: WorkSettings,
        begin: Begin,
        *,
        rng: Random | None = None,
        left: Callable[[Sequence[Item]], object] = list,
    ) -> None:
        self._consumer, self._left = consumer, left
        self._clock = clock
        self._settings = settings
        self._calls = HandlerCalls(begin, limit_s=settings.time_limit_s, ended=self._wake)
        # Wakes the loop; wakes who waits for its end.
        self._signal, self._changed = clock.signal(), clock.signal()
        self._ending = JobEnding(
            consumer, settings, given_up=lambda: self.is_late, pause=self._pause, rng=rng
        )
        rate_hz = settings.rate_hz
        self._rate = RateLimit(rate_hz, settings.batch or 1) if rate_hz is not None else None
        self._jobs = JobsInHand()
        self.in_doubt = self._jobs.in_doubt
        # Filled by other threads, emptied by the loop.
        self._ended_jobs: deque[tuple[Job, BaseException | None]] = deque()
        # Jobs that the servers refused to move, with what ends them, and when to try again.
        self._refused: list[tuple[Job, EndJob]] = []
        self._again_s = float("inf")
        self._waits_for_items = False
        self._is_stopping = False
        self._stop_by_s = float("inf")
        # When there last was something to do.
        self._busy_s = clock.now()
        self.is_over = False
        self.error: BaseException | None = None

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many jobs ended in which way; those that have not ended are still held."""
        return self._jobs.outcomes

    @property
    def is_late(self) -> bool:
        """Whether it should have stopped by now."""
        return self._clock.now() >= self._stop_by_s + GIVE_BACK_S

    def stop(self, within_s: float | None = None) -> None:
        """Stop: take nothing more, give back what no handler has begun, and wait for the others.

        What is not finished after `within_s`, by default the settings' `stop_within_s`, goes back
        too. May be called from any thread, and again with a shorter time.
        """
        if within_s is None:
            within_s = self._settings.stop_within_s
        self._stop_by_s = min(self._stop_by_s, self._clock.now() + within_s)
        self._is_stopping = True
        self._wake()
        self._changed.set()

    def join(self) -> bool:
        """Wait on one thread for the end of the loop; False if it is late, and goes on alone."""
        while not self.is_over and not self.is_late:
            until_s = min(self._stop_by_s + GIVE_BACK_S, self._clock.now() + TURN_S)
            self._changed.wait(until_s)
        return self.is_over

    def run(self) -> None:
        """Work until `stop`, or until nothing came for `idle_s`.

        Raises:
            ClosedError, AccessDeniedError, IncompatibleTreeError: the queue cannot be used any
                more.
            WorkerStuckError: every handler runs longer than `time_limit_s`.
            RuntimeError: the executor accepts no more calls.
        """
        self._consumer.lost_listeners.insert(0, self._jobs.lose)
        try:
            while self._jobs or not self._is_stopping:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - raised below
            self.error = error
        finally:
            self._consumer.lost_listeners.remove(self._jobs.lose)
            self._leave()
        if self.error is not None:
            raise self.error

    def end(self, job: Job, error: BaseException | None) -> None:
        """Note that a job ended before its handler returned; from any thread.

        An error that is no Exception, such as KeyboardInterrupt, says nothing about the item: it
        goes back at once, and the delivery does not count.
        """
        if not job.ended:
            job.ended = True
            self._ended_jobs.append((job, error))
            self._wake()

    def _turn(self) -> None:
        finished = self._end_failed()
        self._limit_time()
        if self._is_stopping:
            self._wind_up(finished)
            return
        held = len(self._jobs) + self._calls.overdue_jobs
        free = self._settings.capacity - held + len(finished)
        room = self._rate.room(self._clock.now()) if self._rate else free
        if min(free, room) > 0:
            items = self._take(min(free, room, MAX_BATCH), finished)
            self._forget(finished)
            self._start(items)
        else:
            self._ending.done(finished)
            self._forget(finished)
            # A pause may have used up the signal of what came since.
            if not self._has_news and not self._is_stopping:
                next_s = self._rate.next_s() if self._rate and free > 0 else float("inf")
                self._signal.wait(min(next_s, self._due_s()))
        self._touch()
        if self._clock.now() >= self._busy_s + self._settings.idle_s and not self._jobs:
            self.stop()

    def _take(self, n: int, finished: Sequence[Job]) -> Sequence[Item]:
        self._waits_for_items = True
        try:
            wait_s = max(0.0, self._due_s(len(finished)) - self._clock.now())
            items = self._ending.take(
                n, finished, timeout_s=wait_s, give_up=lambda: self._has_news or self._is_stopping
            )
        finally:
            self._waits_for_items = False
        if items or self._ending.is_cut_off:  # a queue that nobody could look at is not idle
            self._busy_s = self._clock.now()
        return items

    @property
    def _has_news(self) -> bool:
        return bool(self._calls.has_ended or self._ended_jobs)

    def _start(self, items: Sequence[Item]) -> None:
        """Give new items to handlers."""
        if self._rate is not None:
            self._rate.take(len(items))
        jobs = [Job(item, self.end) for item in items]
        self._jobs.add(jobs)
        size = self._settings.batch or 1
        for start in range(0, len(jobs), size):
            try:
                self._calls.start(jobs[start : start + size])
            except RuntimeError as error:  # the executor is broken, or was shut down
                self.error = error
                self.stop()

    def _end_failed(self) -> list[Job]:
        """End the jobs that failed; return those that wait for their acknowledgement."""
        finished: list[Job] = []
        self._end_refused()
        for jobs, error in self._calls.ended():
            if error is not None and not jobs:  # nothing is left that could come back
                log.error(
                    "a handler failed after its items had ended: %s", said(error), exc_info=error
                )
            # At the end of an event loop all handlers are cancelled.
            counts = isinstance(error, Exception) or not self._is_stopping
            finished += self._judge(jobs, error, counts=counts)
        while self._ended_jobs:
            job, error = self._ended_jobs.popleft()
            finished += self._judge([job], error, counts=isinstance(error, Exception))
        return finished

    def _judge(
        self, jobs: Sequence[Job], error: BaseException | None, *, counts: bool = True
    ) -> list[Job]:
        """Return jobs that ended well; bring others back later, or at once if it does not count."""
        jobs = self._jobs.among(jobs)  # the others went back
        if error is None:
            return jobs
        if counts:
            for job in jobs:
                self._ending.retry(job, error)
        else:
            self._ending.give_back(jobs)
        self._leave_refused(jobs, partial(self._retry_again, error) if counts else self._give_back)
        return []

    def _leave_refused(self, jobs: Sequence[Job], end: EndJob) -> None:
        """Keep jobs that the servers refused to move; forget the others.

        They may have no room, and what is acknowledged meanwhile may make some.
        """
        refused = [job for job in jobs if job.outcome is None]
        if refused:
            self._refused += [(job, end) for job in refused]
            self._again_s = self._clock.now() + AGAIN_S
        self._forget([job for job in jobs if job.outcome is not None])

    def _end_refused(self) -> None:
        """Try again to move the jobs that the servers refused."""
        if not self._refused or self._clock.now() < self._again_s:
            return
        refused, self._refused = self._refused, []
        self._again_s = float("inf")
        for job, end in refused:
            if self._jobs.among([job]):
                end(job)
                self._leave_refused([job], end)

    def _retry_again(self, error: BaseException, job: Job) -> None:
        self._ending.retry(job, error, again=True)

    def _give_back(self, job: Job) -> None:
        self._ending.give_back([job])

    def _limit_time(self) -> None:
        """Take the jobs from handlers that run for too long."""
        limit_s = self._settings.time_limit_s
        for call in self._calls.over_time(self._clock.now()):
            self._take_away(call.end(), TimeoutError(f"the handler ran for {limit_s:g} s"))
        if self._calls.overdue >= self._settings.concurrency and self.error is None:
            self.error = WorkerStuckError(
                f"work: each of {self._settings.concurrency} handlers runs for more than "
                f"{limit_s:g} s (time_limit_s); their items go to others; restart this process"
            )
            self.stop()

    def _take_away(self, jobs: list[Job], error: TimeoutError | None) -> None:
        """End jobs that a handler may still work on: to be tried again, or given back."""
        for job in jobs:
            job.lost.set()
        if error is not None:
            self._judge(jobs, error)
        else:
            self._ending.give_back(jobs)
            self._leave_refused(jobs, self._give_back)

    def _wind_up(self, finished: Sequence[Job]) -> None:
        """Acknowledge what is finished, give back what was not begun; at the end, everything."""
        self._ending.done(finished)
        self._forget(finished)
        late = self._clock.now() >= self._stop_by_s
        self._take_away(self._calls.call_off(also_begun=late), None)
        if late:
            self._jobs.count_rest()
        elif self._jobs and not self._has_news:
            self._touch()
            self._signal.wait(min(self._stop_by_s, self._due_s()))

    def _forget(self, jobs: Sequence[Job]) -> None:
        """Count jobs that have ended."""
        self._jobs.count(jobs)
        if jobs:
            self._busy_s = self._clock.now()

    def _leave(self) -> None:
        self._calls.cancel()
        self._jobs.count_rest()
        self.is_over = True
        self._changed.set()
        self._left(self._jobs.still_held)

    def _touch(self) -> None:
        if due := self._jobs.to_touch(self._clock.now()):
            self._ending.touch(due)

    def _due_s(self, finished: int = 0) -> float:
        """When the loop has to go on at the latest; so many of its jobs are finished."""
        now_s = self._clock.now()
        due_s = [now_s + TURN_S, self._jobs.touch_s, self._again_s, *self._calls.due_s(now_s)]
        if len(self._jobs) == finished:
            due_s.append(self._busy_s + self._settings.idle_s)
        return min(due_s)

    def _pause(self, seconds: float) -> None:
        self._signal.wait(min(self._clock.now() + seconds, self._stop_by_s + GIVE_BACK_S))

    def _wake(self) -> None:
        self._signal.set()
        if self._waits_for_items:
            self._consumer.wake()
