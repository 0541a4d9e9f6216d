"""What a channel takes from a queue of zkmq, and how it ends that.

All calls to the servers come from one thread for each queue. While one write is under way, more
messages are acknowledged, and the next write acknowledges them together and takes new ones.
"""

from collections import deque
from collections.abc import Callable

from zkmq.celery.credits import Credits
from zkmq.celery.deliveries import PAUSE_S, STOP_WITHIN_S, TURN_S, Delivery, End, Intake
from zkmq.queue import Queue
from zkmq.taking.consumer import GiveUp
from zkmq.taking.reserve import MAX_BATCH
from zkmq.working.ending import JobEnding
from zkmq.working.job import Job
from zkmq.working.work_settings import WorkSettings
from zkmq.zookeeper.store import Store

# How long a queue without messages leaves its credits to others before it wants them again.
POLITE_S = 0.25
# How long a message is kept that the servers refused to move, before it is tried again.
AGAIN_S = 1.0


class TakingQueue(Queue):
    """A queue whose wait for messages can be given up."""

    def ending(self, given_up: GiveUp, pause: Callable[[float], None]) -> JobEnding:
        """What ends the messages: each call is repeated until its outcome is known."""
        return JobEnding(self._consumer, WorkSettings(), given_up=given_up, pause=pause)

    def wake(self) -> None:
        """Let a wait for messages ask `give_up`."""
        self._consumer.wake()


class QueueIntake(Intake):
    """Takes from a queue of zkmq. A message is held until it is ended, or the session is."""

    def __init__(
        self,
        name: str,
        queue: TakingQueue,
        store: Store,
        credit: Credits,
        *,
        deliver: Callable[[Delivery], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name, store, credit, deliver=deliver, fail=fail)
        self._queue = queue
        self._ending = queue.ending(lambda: self._is_late, self._pause)
        # Filled by other threads, emptied by the loop.
        self._ended: deque[tuple[Job, End]] = deque()
        # Those that the servers refused to move, by a quota or a throttle, and when to try again.
        self._refused: list[tuple[Job, End]] = []
        self._again_s = float("inf")
        self._open: dict[int, Job] = {}
        self._is_busy = False
        self._stop_by_s = float("inf")
        self._polite_until_s = 0.0

    def get(self) -> Delivery | None:
        """Take one message without waiting."""
        found = self._queue.reserve(1)
        if not found.items:
            return None
        self._credits.get()
        return self._opened(Job(found.items[0]))

    def end(self, delivery: Delivery, how: End) -> None:
        """Let the loop end a message with its next write."""
        job = delivery.handle
        assert isinstance(job, Job)
        self._is_busy = True
        self._ended.append((job, how))
        self.wake()

    def flush(self) -> None:
        """Wait for the loop to end what was ended."""
        until_s = self._store.now() + STOP_WITHIN_S
        while (self._ended or self._is_busy) and not self.is_over and self._store.now() < until_s:
            self._changed.wait(min(until_s, self._store.now() + PAUSE_S))

    def close(self) -> None:
        """Let the loop end; then the queue gives back what is still held."""
        self._stop_by_s = self._store.now() + STOP_WITHIN_S
        super().close()
        self._queue.close()

    def wake(self) -> None:
        """Let the loop see what is new, also while it waits for messages."""
        super().wake()
        self._queue.wake()

    def _wind_up(self) -> None:
        self._again_s = self._store.now()
        self._ending.done(self._end_others())
        self._ending.give_back(list(self._open.values()))

    @property
    def _is_late(self) -> bool:
        return self._store.now() >= self._stop_by_s

    @property
    def _has_news(self) -> bool:
        return bool(self._ended) or self._is_stopping or not self._is_taking

    def _turn(self) -> None:
        finished = self._end_others()
        n = 0
        if self._is_taking and self._store.now() >= self._polite_until_s:
            n = self._credits.take(self, MAX_BATCH)
        if n == 0:
            self._ending.done(finished)
            self._settled(finished)
            if not self._ended and not self._is_stopping:
                polite = self._polite_until_s > self._store.now()
                until_s = self._polite_until_s if polite else self._store.now() + TURN_S
                self._signal.wait(min(until_s, self._again_s))
            return
        items = self._ending.take(n, finished, timeout_s=0.0, give_up=lambda: True)
        self._settled(finished)
        if not items and not self._has_news:
            self._credits.use(self, 0, keep=1)
            wait_s = max(0.0, min(TURN_S, self._again_s - self._store.now()))
            items = self._ending.take(1, (), timeout_s=wait_s, give_up=self._gives_up)
            if not items and self._credits.wanted(self):
                self._polite_until_s = self._store.now() + POLITE_S
        if not self._is_taking:  # what came is not for this session's consumers
            self._credits.use(self, 0)
            self._ending.give_back([Job(item) for item in items])
            return
        self._credits.use(self, len(items))
        for item in items:
            self._deliver(self._opened(Job(item)))

    def _gives_up(self) -> bool:
        return self._has_news or self._credits.wanted(self)

    def _opened(self, job: Job) -> Delivery:
        self._open[id(job)] = job
        return Delivery(self, job.data, job.delivery > 1, job, self._store.now())

    def _end_others(self) -> list[Job]:
        """End what is requeued or rejected; return what is acknowledged."""
        finished: list[Job] = []
        if self._store.now() >= self._again_s:
            self._ended.extend(self._refused)
            self._refused, self._again_s = [], float("inf")
        while self._ended:
            self._is_busy = True
            job, how = self._ended.popleft()
            if how is End.DONE:
                finished.append(job)
                continue
            if how is End.BACK:
                self._ending.release(job)
            else:
                self._ending.bury(job, "rejected by its consumer")
            if job.outcome is None:
                self._refused.append((job, how))
                self._again_s = self._store.now() + AGAIN_S
                continue
            self._open.pop(id(job), None)
        return finished

    def _settled(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._open.pop(id(job), None)
        if not self._ended:
            self._is_busy = False
        self._changed.set()

    def _pause(self, seconds: float) -> None:
        self._signal.wait(min(self._store.now() + seconds, self._stop_by_s))
