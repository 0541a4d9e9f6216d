"""What a campaign does: tasks, and an executor that does them somewhere.

    tasks -> executor -> Began, Done, Began, ...    in the order in which they happen

`InTurn` does them in this process, one after the other; dask_executor on many.
"""

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from harness.common.harness_errors import RunError

HERE = "this process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One call, which any worker may make.

    Attributes:
        key: names it within its campaign, and is the same when the campaign goes on.
        call: a function that a worker can import; it may be called twice if a worker dies.
    """

    key: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A worker has begun a task; the second attempt tells that the first worker is gone."""

    key: str
    worker: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a task.

    Attributes:
        error: what it raised, or UndoneError; None if it returned `value`.
        took_s: of the last attempt, on its worker.
    """

    key: str
    value: Any = None
    error: Exception | None = None
    worker: str = ""
    attempts: int = 1
    took_s: float = 0.0


Events = Generator[Began | Done, None, None]


class UndoneError(RunError):
    """No worker could do a task, or all that tried died of it, so nothing is known of it."""


class Executor(Protocol):
    """Does tasks."""

    @property
    def slots(self) -> int:
        """How many tasks it does at once, now."""
        ...

    def run(self, tasks: Iterable[Task]) -> Events:
        """Do all tasks, taken from the iterable as they can begin; drop what is left on closing.

        Raises:
            RunError: no worker is left that could do them.
        """
        ...


class InTurn:
    """Does one task after the other, in this process; what a task raises is Done.error."""

    slots = 1

    def run(self, tasks: Iterable[Task]) -> Events:
        """Do each task as it is taken from the iterable."""
        for task in tasks:
            yield Began(key=task.key, worker=HERE)
            began_s = time.monotonic()
            value, error = None, None
            try:
                value = task.call(*task.arguments)
            except Exception as raised:  # noqa: BLE001 -- it is the caller's to judge
                error = raised
            took_s = time.monotonic() - began_s
            yield Done(key=task.key, value=value, error=error, worker=HERE, took_s=took_s)
