"""How a worker takes items and ends its jobs: each call is repeated until its outcome is known.

A call in doubt is settled (`OutcomeUnknownError.resolve`), never assumed. After that, each item's
`hold` says what became of it: done, returned, lost with its session, or still held, and then the
call is repeated for it. So a loop here ends when the servers answer, or when the session is over.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Protocol

from zkmq.errors import (
    AccessDeniedError,
    IncompatibleTreeError,
    NoQuorumError,
    NotHeldError,
    OutcomeUnknownError,
    OutdatedClientError,
    ServerRefusedError,
    ZkmqError,
)
from zkmq.taking.consumer import GiveUp
from zkmq.taking.finish import MAX_REASON, Done
from zkmq.taking.held_items import OnLost
from zkmq.taking.reserve import MAX_BATCH, Reservation
from zkmq.tree.item import Hold, Item
from zkmq.tree.redelivery_policy import RedeliveryPolicy, counted_deliveries, uncounted
from zkmq.working.job import Job, Outcome
from zkmq.working.work_settings import WorkSettings
from zkmq.zookeeper.request_sizes import ITEM_OVERHEAD_BYTES, cut

# The most that one write may move back.
MAX_MOVED_BYTES = 256 * 1024
# The pause after a call to which no server could answer.
PAUSE_S = 0.2

log = logging.getLogger("zkmq.working")


class WorkerConsumer(Protocol):
    """What a worker uses of a consumer: `zkmq.taking.consumer.Consumer`, or one that records."""

    policy: RedeliveryPolicy
    lost_listeners: list[OnLost]

    def reserve(
        self, n: int, *, timeout_s: float, done: Sequence[Item], sync: bool, give_up: GiveUp
    ) -> Reservation:
        """Take up to `n` items, wait for the first until `give_up`, and acknowledge `done`."""

    def done(self, items: Sequence[Item]) -> Done:
        """Acknowledge items, all or none."""

    def release(self, items: Sequence[Item], *, delay_s: float, to: str) -> Done:
        """Give items back, all or none."""

    def touch(self, items: Sequence[Item]) -> Done:
        """Start the time to run of the items again."""

    def bury(self, items: Sequence[Item], *, reason: str) -> Done:
        """Put items aside as dead letters, all or none."""

    def wake(self) -> None:
        """Let a `reserve` that waits ask `give_up`, from any thread."""


class JobEnding:
    """Takes items and ends jobs, for one worker. Not thread-safe.

    Every method sets the `outcome` of the jobs it gets. But jobs that the servers refuse to move by
    a rule, such as a quota, are left without one, and have to be ended by a later call. `given_up`
    ends all repetition: a worker that is late sends each call once and does not wait for servers.
    `pause` sleeps. The methods raise only what no repetition can mend: ClosedError,
    OutdatedClientError, and, when they take items, AccessDeniedError, and IncompatibleTreeError for
    a queue that was deleted.
    """

    def __init__(
        self,
        consumer: WorkerConsumer,
        settings: WorkSettings,
        *,
        given_up: Callable[[], bool],
        pause: Callable[[float], None],
        rng: Random | None = None,
    ) -> None:
        self._consumer = consumer
        self._settings = settings
        self._rng = rng
        self._given_up = given_up
        self._pause = pause
        # Whether the last call got no answer.
        self.is_cut_off = False
        # Whether the servers refused to move the last job.
        self._is_refused = False

    def take(
        self, n: int, finished: Sequence[Job], *, timeout_s: float, give_up: GiveUp
    ) -> tuple[Item, ...]:
        """Take up to `n` items, and acknowledge finished jobs in the same write.

        Waits up to `timeout_s` for the first item, or until `give_up`.
        """
        fused = _held(finished)[:MAX_BATCH]
        items: tuple[Item, ...] = ()
        try:
            items = self._consumer.reserve(
                n, timeout_s=timeout_s, done=_items(fused), sync=False, give_up=give_up
            ).items
            self._reached()
        except OutcomeUnknownError as error:
            # What it claimed comes with the next call.
            self._settle(error, fused, Outcome.DONE)
        except NotHeldError:
            pass  # one of the finished was lost, and now says so
        except (NoQuorumError, ServerRefusedError) as error:
            self._wait_out(error)
        except (IncompatibleTreeError, AccessDeniedError):
            if not fused:
                raise
        self.done(finished)
        return items

    def done(self, jobs: Sequence[Job]) -> None:
        """Acknowledge jobs."""
        for part in cut(jobs, MAX_BATCH):
            self._end(part, self._consumer.done, Outcome.DONE)

    def retry(self, job: Job, error: BaseException, *, again: bool = False) -> None:
        """Bring a failed job back later, or put it aside after its last delivery.

        Not `again`: log that it failed.
        """
        header = job.item.header
        if self._consumer.policy.place(header) == "dead":
            reason = said(error)
            if not again:
                log.error(
                    "%s: delivery %d failed and was the last: %s", job.id, job.delivery, reason,
                    exc_info=error,
                )  # fmt: skip
            self.bury(job, reason)
            return
        delay_s = self._settings.delay_s(counted_deliveries(header), self._rng)
        if not again:
            log.warning(
                "%s: delivery %d failed, the item comes back in %.1f s: %s",
                job.id, job.delivery, delay_s, said(error), exc_info=error,
            )  # fmt: skip
        self._end([job], lambda i: self._release(i, delay_s), Outcome.RETRIED)

    def bury(self, job: Job, reason: str) -> None:
        """Put a job aside as a dead letter."""
        self._end([job], lambda i: self._consumer.bury(i, reason=reason), Outcome.DEAD)

    def release(self, job: Job) -> None:
        """Bring a job back to its place at once. The delivery counts."""
        self._end([job], self._release, Outcome.RETRIED)

    def give_back(self, jobs: Sequence[Job]) -> None:
        """Give jobs back that no handler finished. Their deliveries are forgiven."""
        size = (lambda job: len(job.data) + ITEM_OVERHEAD_BYTES, MAX_MOVED_BYTES)
        for part in cut(list(jobs), MAX_BATCH, size):
            with uncounted(_items(part)):
                self._end(part, self._release, Outcome.GIVEN_BACK)

    def touch(self, jobs: Sequence[Job]) -> None:
        """Start the time to run of the jobs again; if that fails now, the caller tries again."""
        for part in map(_held, cut(jobs, MAX_BATCH)):
            try:
                if part:
                    self._consumer.touch(_items(part))
            except OutcomeUnknownError as error:
                self._settle(error, part, None)
            except NotHeldError:
                pass
            except (NoQuorumError, ServerRefusedError) as error:
                self._wait_out(error)
            except AccessDeniedError as error:
                if len(part) == 1:
                    log.warning("%s: cannot be touched: %s", part[0].id, error)
                    continue
                for job in part:
                    self.touch([job])

    def _release(self, items: Sequence[Item], delay_s: float = 0.0) -> None:
        self._consumer.release(items, delay_s=delay_s, to="place")

    def _end(
        self, jobs: Sequence[Job], call: Callable[[Sequence[Item]], object], outcome: Outcome
    ) -> None:
        while held := _held(jobs):
            try:
                call(_items(held))
                self._reached()
                self._is_refused = self._is_refused and outcome is Outcome.DONE
            except OutcomeUnknownError as error:
                self._settle(error, held, outcome)
            except NotHeldError:
                pass
            except (NoQuorumError, ServerRefusedError) as error:
                if outcome is not Outcome.DONE and self._leaves_for_later(error):
                    return
                self._wait_out(error)
            except (IncompatibleTreeError, AccessDeniedError) as error:
                if isinstance(error, OutdatedClientError):
                    raise
                self._end_alone(jobs, call, outcome, error)
                return
            if self._given_up():
                break
        for job in jobs:
            job.outcome = job.outcome or outcome_of(job, outcome)

    def _end_alone(
        self,
        jobs: Sequence[Job],
        call: Callable[[Sequence[Item]], object],
        outcome: Outcome,
        error: ZkmqError,
    ) -> None:
        """End each job in a write of its own, since one of them cannot be ended."""
        if len(jobs) > 1:
            for job in jobs:
                self._end([job], call, outcome)
            return
        log.error("%s: stays held until the queue is closed: %s", jobs[0].id, error)
        jobs[0].outcome = Outcome.STILL_HELD

    def _settle(
        self, error: OutcomeUnknownError, jobs: Sequence[Job], wanted: Outcome | None
    ) -> None:
        """Find out what became of a call in doubt, which was to end these jobs; None: to keep them.

        If there is no time for that, jobs that may be done are in doubt, and can be asked later.
        """
        took_effect: bool | None = None
        while not self._given_up():
            try:
                took_effect = error.resolve()[0].took_effect
                break
            except (OutcomeUnknownError, NoQuorumError) as again:
                self._wait_out(again)
        if took_effect is not None:
            return
        for job in jobs:
            may_be_done = self._given_up() and wanted in {Outcome.DONE, Outcome.DEAD}
            if job.item.hold is Hold.LOST or (may_be_done and job.item.hold is Hold.HELD):
                job.outcome = Outcome.UNKNOWN
                job.settle = partial(_settled, error, job, wanted) if wanted else None

    def _leaves_for_later(self, error: ZkmqError) -> bool:
        """Whether to end jobs later, because the servers refuse it by a rule; logged once."""
        if not isinstance(error, ServerRefusedError) or self._given_up():
            return False
        if not self._is_refused:
            log.warning("jobs stay held, and are tried again: %s", error)
        self._is_refused = True
        return True

    def _wait_out(self, error: ZkmqError) -> None:
        if not self.is_cut_off:
            log.warning("no answer, goes on trying: %s", error)
        self.is_cut_off = True
        self._pause(PAUSE_S)

    def _reached(self) -> None:
        if self.is_cut_off:
            log.warning("the servers answer again")
        self.is_cut_off = False


def said(error: BaseException) -> str:
    """What an error says, as the reason of a dead letter."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text.encode(errors="backslashreplace").decode()[:MAX_REASON]


def outcome_of(job: Job, wanted: Outcome) -> Outcome:
    """What became of a job, by its item's hold; `wanted` is what its last call was to achieve."""
    match job.item.hold:
        case Hold.DONE:
            return Outcome.DONE
        case Hold.RETURNED:
            # A handler that should have been acknowledged gave its item back by itself.
            return Outcome.RETRIED if wanted is Outcome.DONE else wanted
        case Hold.LOST:
            return Outcome.LOST
        case Hold.HELD:
            return Outcome.STILL_HELD


def _settled(error: OutcomeUnknownError, job: Job, wanted: Outcome) -> Outcome:
    """Ask for the outcome of a call that was to end a job."""
    took_effect = error.resolve()[0].took_effect
    if took_effect is None:
        return Outcome.UNKNOWN
    return wanted if took_effect else outcome_of(job, wanted)


def _held(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.item.hold is Hold.HELD and job.outcome is None]


def _items(jobs: Sequence[Job]) -> list[Item]:
    return [job.item for job in jobs]
