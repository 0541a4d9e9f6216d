"""Worker loops with one precaution taken away, each of which rough work has to find."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from zkmq.errors import OutcomeUnknownError, ZkmqError
from zkmq.tree.item import Hold, Item
from zkmq.working.ending import JobEnding
from zkmq.working.job import Job, Outcome
from zkmq.working.worker import Worker

start, done = Worker._start, JobEnding.done


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMutant:
    """One mutant, and a part of what has to be said against it."""

    name: str
    found: str
    applied: Callable[[], AbstractContextManager[Any]]


def _acks_first(self: Worker, items: Sequence[Item]) -> None:
    try:
        if items:
            self._consumer.done(items)
    except ZkmqError:
        pass
    start(self, items)


def _assumes_success(
    self: JobEnding, error: OutcomeUnknownError, jobs: Sequence[Job], wanted: Outcome | None
) -> None:
    for job in jobs:
        job.outcome = Outcome.DONE


def _drops_failures(self: JobEnding, job: Job, error: BaseException) -> None:
    self.done([job])


def _forgets_lost(self: JobEnding, jobs: Sequence[Job]) -> None:
    """Say that everything is done that a handler has finished, lost or not."""
    held = [job for job in jobs if job.item.hold is Hold.HELD]
    done(self, held)
    for job in jobs:
        job.outcome = Outcome.DONE


WORK_MUTANTS = [
    WorkMutant(
        name="acknowledges before the handler",
        found="no handler finished it",
        applied=lambda: mock.patch.object(Worker, "_start", _acks_first),
    ),
    WorkMutant(
        name="takes an unknown outcome for success",
        found="duplicate",
        applied=lambda: mock.patch.object(JobEnding, "_settle", _assumes_success),
    ),
    WorkMutant(
        name="acknowledges failures",
        found="handler did not finish",
        applied=lambda: mock.patch.object(JobEnding, "retry", _drops_failures),
    ),
    WorkMutant(
        name="calls lost items done",
        found="duplicate",
        applied=lambda: mock.patch.object(JobEnding, "done", _forgets_lost),
    ),
]
