"""The jobs of one worker that have not ended yet, and how the others ended."""

import logging
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from zkmq.tree.item import Hold, Item
from zkmq.working.ending import outcome_of
from zkmq.working.job import Job, Outcome

# An item is touched when this part of its time to run is left.
TOUCH_AT = 2 / 3
# How many jobs whose outcome is unknown are kept for callers that want to ask.
MOST_IN_DOUBT = 1000

log = logging.getLogger("zkmq.working")

# What the log says of a job that ended otherwise than its handler.
_WARNINGS = {
    Outcome.LOST: "lost: the session or its time to run ended first, so another consumer gets it",
    Outcome.UNKNOWN: "unknown: no answer says whether it is acknowledged; if not, it comes back",
}


class JobsInHand:
    """The jobs that a worker has begun or is about to begin. For its loop, except `lose`."""

    def __init__(self) -> None:
        # By the id() of the item, for `lose`.
        self._jobs: dict[int, Job] = {}
        self._outcomes: Counter[Outcome] = Counter()
        self.in_doubt: deque[Job] = deque(maxlen=MOST_IN_DOUBT)
        # Of jobs that have ended: what the servers did not take, or may not have taken.
        self._held: list[Item] = []

    def __len__(self) -> int:
        """The number of jobs that have not ended."""
        return len(self._jobs)

    @property
    def still_held(self) -> list[Item]:
        """The items of jobs that have ended, but are held all the same."""
        return [item for item in self._held if item.hold is Hold.HELD]

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many jobs ended in which way; those that have not ended are still held."""
        return self._outcomes + Counter({Outcome.STILL_HELD: len(self._jobs)})

    def add(self, jobs: Sequence[Job]) -> None:
        """Add new jobs, and tell those that are lost already."""
        self._jobs.update((id(job.item), job) for job in jobs)
        for job in jobs:
            if job.item.hold is Hold.LOST:  # before `lose` could find the job
                job.lost.set()

    def among(self, jobs: Iterable[Job]) -> list[Job]:
        """Return those of these jobs that have not ended."""
        return [job for job in jobs if id(job.item) in self._jobs]

    def lose(self, _: str, items: Sequence[Item]) -> None:
        """Tell the handlers of lost items; may be called from any thread."""
        for item in items:
            job = self._jobs.get(id(item))
            if job is not None:
                job.lost.set()

    def count(self, jobs: Iterable[Job]) -> None:
        """Count jobs that have ended, and keep those in doubt for callers that want to ask."""
        for job in jobs:
            if self._jobs.pop(id(job.item), None) is None or job.outcome is None:
                continue
            self._outcomes[job.outcome] += 1
            if job.item.hold is Hold.HELD:
                self._held = [*self.still_held, job.item]  # without those that ended meanwhile
            if job.outcome is Outcome.UNKNOWN:
                self.in_doubt.append(job)
            if (why := _WARNINGS.get(job.outcome)) is not None:
                log.warning("%s: delivery %d: %s", job.id, job.delivery, why)

    def count_rest(self) -> None:
        """Count what is left as given back: what is held goes back when the queue is closed."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.lost.set()
            job.outcome = job.outcome or outcome_of(job, Outcome.GIVEN_BACK)
        self.count(jobs)

    def to_touch(self, now_s: float) -> list[Job]:
        """Return the jobs whose time to run is a third over."""
        return [job for job in self._jobs.values() if _touch_s(job) <= now_s]

    @property
    def touch_s(self) -> float:
        """When the next job has to be touched; infinity if none has to."""
        return min((_touch_s(job) for job in self._jobs.values()), default=float("inf"))


def _touch_s(job: Job) -> float:
    """When to touch a job; never if it has no time to run, is not held, or has ended."""
    item = job.item
    ttr_s = item.header.get("ttr_s")
    if ttr_s is None or item.hold is not Hold.HELD or job.outcome is not None:
        return float("inf")
    return item.due_s - float(ttr_s) * TOUCH_AT
