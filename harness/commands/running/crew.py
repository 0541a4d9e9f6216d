"""Who does a command's runs: this process, workers of this machine, or those of a scheduler."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from harness.campaign.tasks import Executor
from harness.common.harness_errors import ScenarioError
from harness.common.run_clock import utc_stamp
from zkmq import extras

AUTO = "auto"
MOST_WORKERS = 256
KB_OF_A_QUORUM = 2 << 20  # five servers with full heaps, their clients and the judge
MEMINFO = Path("/proc/meminfo")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")

WorkersOption = Annotated[
    str | None,
    typer.Option(help="Run side by side on so many worker processes here.", metavar="N|auto"),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(help="Run on the workers of this Dask scheduler.", metavar="tcp://HOST:PORT"),
]
CampaignOption = Annotated[
    str | None,
    typer.Option(help="Name to go on with what was stopped; with --workers or --scheduler."),
]
Say = Callable[[str], None]


class Everywhere(Executor, Protocol):
    """An executor that can also call something once on each of its workers."""

    def everywhere(self, call: Callable[[], object]) -> None:
        """Call it on each worker, whatever becomes of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What the options --workers, --scheduler and --campaign say.

    Raises:
        ScenarioError: two of them exclude each other, or one has no sound value.
    """

    workers: str | None = None
    scheduler: str | None = None
    campaign: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether the runs are for others than this process."""
        return self.workers is not None or self.scheduler is not None

    @property
    def name(self) -> str:
        """The campaign's name; a new one by the time if none was given."""
        return self.campaign or utc_stamp()

    def __post_init__(self) -> None:
        if self.workers is not None and self.scheduler is not None:
            raise ScenarioError(
                "--workers: expected it without --scheduler, whose workers are there already"
            )
        if self.workers is not None:
            self.count()
        if self.campaign is not None and not self.wanted:
            raise ScenarioError("--campaign: expected --workers or --scheduler beside it")
        if self.campaign is not None and not _NAME.fullmatch(self.campaign):
            raise ScenarioError(
                f"--campaign: expected letters, digits and -, got {self.campaign!r}"
            )

    def count(self) -> int:
        """Return how many workers are wanted here.

        Raises:
            ScenarioError: it is no number of workers.
        """
        if self.workers == AUTO:
            return as_many_as_fit()
        if not (self.workers or "").isdecimal() or not 1 <= int(self.workers or 0) <= MOST_WORKERS:
            raise ScenarioError(
                f"--workers: expected a number from 1 to {MOST_WORKERS}, or {AUTO}, "
                f"got {self.workers!r}"
            )
        return int(self.workers or 0)

    @contextmanager
    def executor(self, say: Say, *, quorum: bool = True) -> Iterator[Everywhere]:
        """Have workers while the context lasts; `quorum` tells whether they are to start some.

        Raises:
            ScenarioError: the packages of the extra are not installed.
            RunError: no worker can do the work; says why.
        """
        try:
            # Only now: nobody else pays for Dask.
            cluster: Any = import_module("harness.campaign.dask_cluster")
        except ModuleNotFoundError as error:
            option = "--workers" if self.scheduler is None else "--scheduler"
            raise ScenarioError(extras.told(option, error, "zkmq[campaign]")) from error
        opened = (
            cluster.embedded(self.count(), say, quorum=quorum)
            if self.scheduler is None
            else cluster.of_scheduler(self.scheduler, say, quorum=quorum)
        )
        with opened as executor:
            yield executor


def as_many_as_fit() -> int:
    """Return how many quorums this machine can run at once: one a core, as memory allows."""
    told = dict(line.split(":") for line in MEMINFO.read_text().splitlines())
    free_kb = int(told["MemAvailable"].split()[0])
    return max(1, min(len(os.sched_getaffinity(0)), free_kb // KB_OF_A_QUORUM))
