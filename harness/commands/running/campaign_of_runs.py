"""The runs of one command on many workers. Each outcome is on disk before it is shown."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.campaign.line_file import cannot_keep
from harness.campaign.outcome_file import Ended, OutcomeFile, opened
from harness.campaign.tasks import Began, Done, Executor, Task, UndoneError
from harness.commands.manual.faults_command import tidy
from harness.commands.running import ordered_run
from harness.commands.running.crew import Crew
from harness.commands.running.launch import Ran
from harness.commands.running.ordered_run import Delivered, Order
from harness.common.harness_errors import HarnessError, RunError, ScenarioError, UnmetError, told
from harness.common.run_clock import utc_stamp
from harness.common.run_folder import RunFolder
from harness.report import judged
from harness.report.batch_summary import Row
from harness.report.campaign_view import CampaignView
from harness.report.terminal import Terminal
from harness.view import Silent
from harness.words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A run without a verdict, for the reason `failure`."""

    failure: HarnessError
    took_s: float = 0.0

    @property
    def why(self) -> str:
        """The failure in words."""
        return str(self.failure)

    @property
    def skipped(self) -> bool:
        """Whether the machine lacks what the scenario requires."""
        return isinstance(self.failure, UnmetError)

    @property
    def undecided(self) -> bool:
        """Whether nothing is known, since the run did not take place."""
        return isinstance(self.failure, UndoneError)

    @property
    def word(self) -> str:
        """What stands in the place of a verdict."""
        return "unknown" if self.undecided else "skipped" if self.skipped else "failed"


Outcome = Ran | Missed


@dataclass(slots=True, kw_only=True)
class CampaignOfRuns:
    """The orders of one command, by a key that stays the same when the campaign goes on.

    Attributes:
        runs: the folder that all runs are kept in.
        left: the keys of the orders of which nothing was told yet.
    """

    command: str
    crew: Crew
    runs: Path
    orders: Mapping[str, Order]
    terminal: Terminal
    left: set[str] = field(default_factory=set)

    def outcomes(self) -> Generator[tuple[str, Outcome], None, None]:
        """Yield the outcome of each order: first of the orders that were decided before.

        Raises:
            ScenarioError: the campaign's file is of other work, or in use.
            RunError: no worker can do it. The outcomes so far are kept.
            StoreError: the disk is full. The outcomes so far are kept.
        """
        self.left = set(self.orders)
        name, say = self.crew.name, self.terminal.say
        work = [text for key in self.orders for text in (key, _digestible(self.orders[key]))]
        with opened(
            self.runs, name, command=self.command, work=work, tasks=len(self.orders)
        ) as file:
            runs = counted(len(self.orders), "run")
            say(f"campaign {name}: {runs}; {os.path.relpath(file.folder)}")
            yield from self._decided(file)
            if not self.left:
                return
            try:
                with served(self.crew, file, self.terminal, tasks=len(self.orders)) as executor:
                    yield from self._done(file, executor)
            finally:
                if self.left:
                    left = counted(len(self.left), "run")
                    say(f"{left} left; the same command with --campaign {name} goes on")

    def _decided(self, file: OutcomeFile) -> Iterator[tuple[str, Outcome]]:
        known = {key: one for key in self.orders if (one := file.decided(key)) is not None}
        if not known:
            return
        for key, line in known.items():
            if (outcome := _read(line, self.runs)) is not None:
                self.left.discard(key)
                yield key, outcome
        before, every = len(self.orders) - len(self.left), len(self.orders)
        self.terminal.say(f"{before} of {every} decided before; going on with {len(self.left)}")

    def _done(self, file: OutcomeFile, executor: Executor) -> Iterator[tuple[str, Outcome]]:
        tasks = (
            Task(key=key, call=ordered_run.carry_out, arguments=(order,))
            for key, order in self.orders.items()
            if key in self.left
        )
        with closing(executor.run(tasks)) as events:
            for event in events:
                if isinstance(event, Began):
                    began(event, file, self.terminal)
                    continue
                outcome, line = self._kept(event)
                file.ended(line)
                self.left.discard(event.key)
                yield event.key, outcome

    def _kept(self, done: Done) -> tuple[Outcome, Ended]:
        """Store a run's folder, and return its outcome.

        Raises:
            StoreError: the disk is full, or does not accept the files.
        """
        folder, line = kept(done, self.orders[done.key], self.runs, runs=self.runs)
        return _outcome(folder, delivered_by(done)), line


@contextmanager
def served(
    crew: Crew, file: OutcomeFile, terminal: Terminal, *, tasks: int = 0
) -> Iterator[Executor]:
    """Start workers and show their progress; at the end remove all they left on any engine."""
    try:
        with ExitStack() as stack:
            with terminal.waiting("starting workers"):
                executor = stack.enter_context(crew.executor(terminal.say))
            try:
                with CampaignView(terminal, file.outcomes, tasks):
                    yield executor
            finally:
                if crew.scheduler is not None:
                    executor.everywhere(_tidy_here)
    finally:
        if crew.scheduler is None:
            tidy(terminal.say)  # of workers that are gone now


def began(event: Began, file: OutcomeFile, terminal: Terminal) -> None:
    """Note that a worker has begun a run, and say so if it is not the first."""
    file.began(event.key, event.worker, event.attempt)
    if event.attempt > 1:
        terminal.say(
            f"{event.key}: attempt {event.attempt}, on worker {event.worker}: the worker "
            "before it is gone"
        )


def delivered_by(done: Done) -> Delivered:
    """Return the result of a task; an error of its worker is a result too."""
    if done.error is None:
        came: Delivered = done.value
        return came
    ours = done.error if isinstance(done.error, HarnessError) else RunError(told(done.error))
    return Delivered(failure=ours, took_s=done.took_s)


def kept(done: Done, order: Order, into: Path, *, runs: Path) -> tuple[RunFolder | None, Ended]:
    """Store what an order left below `into`, itself below `runs`, and what the file says of it.

    Raises:
        StoreError: the disk is full, or does not accept the files.
    """
    try:
        folder = ordered_run.keep(order, delivered_by(done), into)
    except OSError as error:
        raise cannot_keep(into, error) from error
    place = "" if folder is None else folder.path.relative_to(runs.resolve()).as_posix()
    return folder, ended(done, order, run=place)


def ended(done: Done, order: Order, *, run: str = "", **figures: Any) -> Ended:
    """Return what a campaign's file says of an order, whose folder is `run`."""
    came = delivered_by(done)
    what: dict[str, Any]
    if came.results is None:
        missed = Missed(failure=came.failure)
        cause = "".join(missed.why.strip().splitlines()[:1])
        what = {"verdict": missed.word, "decided": missed.skipped, "cause": cause}
    else:
        row, right = Row.of(came.results, came.took_s, ""), came.results["as_expected"]
        why = row.reason or f"{row.verdict}, where {row.expected} was expected"
        what = {"verdict": row.verdict, "as_expected": right, "cause": "" if right else why}
    return Ended(
        task=done.key,
        name=order.name,
        seed=order.scenario.seed,
        at=utc_stamp(),
        run=run,
        worker=done.worker,
        attempts=done.attempts,
        took_s=round(came.took_s, 3),
        figures=figures,
        **what,
    )


def _tidy_here() -> None:
    """Remove, on a worker, what workers on the same engine left when they died."""
    tidy(Silent().say)


def _outcome(folder: RunFolder | None, delivered: Delivered) -> Outcome:
    if delivered.results is not None:
        assert folder is not None
        return Ran(folder=folder, results=delivered.results, took_s=delivered.took_s)
    return Missed(failure=delivered.failure, took_s=delivered.took_s)


def _read(line: Ended, runs: Path) -> Outcome | None:
    """Return an outcome that was decided before; None if its folder is gone."""
    if line.verdict == "skipped":
        return Missed(failure=UnmetError(line.cause))
    folder = RunFolder((runs / line.run).resolve())
    try:
        results = judged.load_if_any(folder)
    except ScenarioError:
        return None
    return None if results is None else Ran(folder=folder, results=results, took_s=line.took_s)


def _digestible(order: Order) -> str:
    """Return all that an order asks for, as text."""
    again = b"" if order.again is None else msgspec.json.encode(list(order.again.planned))
    return "\0".join(
        [
            order.name,
            str(order.scenario.seed),
            order.scenario.text,
            again.decode(),
            str(order.same_nodes),
        ]
    )
