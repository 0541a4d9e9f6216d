"""Where the scenarios of `harness fuzz` are run: on one quorum here, or by workers."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cluster import lending
from cluster.lending import Kept
from harness import run as runs
from harness.campaign.outcome_file import OutcomeFile
from harness.campaign.tasks import Done, Executor, InTurn, Task
from harness.commands.running import ordered_run
from harness.commands.running.campaign_of_runs import began, delivered_by, kept
from harness.commands.running.launch import Lend, Ran, launch, prepare, publish
from harness.commands.running.ordered_run import Order
from harness.commands.searching import trials
from harness.commands.searching.trials import CarryOut, Trials
from harness.common.harness_errors import HarnessError, HistoryError, RunError
from harness.common.run_folder import RunFolder
from harness.common.settings.quorum_config import QuorumConfig
from harness.report.terminal import Terminal
from harness.run_ending import READY_WITHIN_S
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search import finding, fuzz, shrink
from harness.search.fuzzing import TrialPlace, here
from harness.search.replay import Cause
from harness.search.shrink import Data
from harness.view import Silent

TRIES = 2
Results = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Bench:
    """What both have: a folder for scenarios that fail, and a limit of time."""

    folder: Path
    terminal: Terminal
    shrink_minutes: float
    until_s: float

    def file(self, number: int) -> Path:
        """Return where a scenario is kept until it is found valid."""
        return self.folder / f"{number}.yaml"

    def load(self, number: int, data: Data) -> Scenario:
        """Write a scenario to its file, and load it."""
        self.file(number).write_text(finding.text(data, []))
        return loading.load(self.file(number))

    def recorded(
        self, loaded: Scenario, name: str, into: RunFolder, error: HarnessError
    ) -> Results:
        """Judge and show what was recorded of a run that broke off; return what counts of it.

        Raises:
            HarnessError: the error itself, unless what was recorded shows a violation.
        """
        try:
            judged = runs.check(loaded, name, into, interrupted=f"an error of the harness: {error}")
        except HarnessError:
            self.terminal.say(f"      nothing could be judged; kept in {_shown(into)}")
            raise error from None
        if judged["verdict"] == "invalid":
            # Not a person's Ctrl-C: what it found counts.
            return {key: value for key, value in judged.items() if key != "interrupted"}
        self.show(Ran(folder=into, results=judged, took_s=0.0))
        raise error

    def show(self, ran: Ran) -> None:
        """Write the report of a run, and say where it is."""
        publish(ran, Silent())
        self.terminal.say(f"      report: {_shown(ran.folder)}/report.html")

    def smallest(
        self, data: Data, results: Results, executor: Executor, carry_out: CarryOut
    ) -> tuple[Data, Results] | None:
        """Return the smallest scenario found in its time that fails of the same."""
        found = Trials(
            name=str(results["scenario"]),
            cause=Cause.of(results).gravest,
            tries=TRIES,
            until_s=min(self.until_s, time.monotonic() + 60 * self.shrink_minutes),
            terminal=self.terminal,
            executor=executor,
            carry_out=carry_out,
        )
        because = min(found.cause.reasons)
        found.search(shrink.spelled_out(data, seed=data["seed"], because=because))
        return None if found.results is None else (found.kept[-1], found.results)


@dataclass(slots=True, kw_only=True)
class BenchHere(Bench):
    """One quorum for all scenarios, one after the other."""

    quorum: Kept

    @property
    def place(self) -> TrialPlace:
        """Where scenarios are run: here."""
        return here(self.judge)

    def missing(self) -> frozenset[str]:
        """Return the faults that this machine cannot do."""
        return missing_on(self.quorum.lend)

    def judge(self, number: int, data: Data) -> Results:
        """Run a scenario; what is left of a valid run is its line in fuzz.jsonl."""
        loaded, name = self.load(number, data), f"fuzz-{number}"
        into = prepare(self.file(number), loaded, self.folder, name=name)
        ran = self._launched(loaded, name, into)
        if ran.results.get("interrupted"):
            raise KeyboardInterrupt
        if ran.results["verdict"] == "valid":
            shutil.rmtree(into.path.parent)
            self.file(number).unlink()
        else:
            self.show(ran)
        return ran.results

    def reduce(self, data: Data, results: Results) -> tuple[Data, Results] | None:
        """Return the smallest scenario that fails of the same, and what it came to."""
        return self.smallest(data, results, InTurn(), trials.on(self.quorum))

    def _launched(self, loaded: Scenario, name: str, into: RunFolder) -> Ran:
        """Run a scenario; of a run that breaks off, judge what was recorded.

        Raises:
            RunError, HistoryError: it broke off, and what was recorded shows no violation.
        """
        try:
            return launch(loaded, name, into, Silent(), lend=self.quorum.lend)
        except (RunError, HistoryError) as error:
            return Ran(folder=into, results=self.recorded(loaded, name, into, error), took_s=0.0)


@dataclass(slots=True, kw_only=True)
class BenchOnWorkers(Bench):
    """Workers, each with a quorum for each scenario.

    Attributes:
        runs: the folder of all runs.
    """

    executor: Executor
    outcomes: OutcomeFile
    runs: Path
    _orders: dict[int, Order] = field(default_factory=dict)

    @property
    def place(self) -> TrialPlace:
        """Where scenarios are run: on workers."""
        tell = partial(began, file=self.outcomes, terminal=self.terminal)
        return TrialPlace(
            executor=self.executor, send=self._send, receive=self._receive, began=tell
        )

    def missing(self) -> frozenset[str]:
        """Return the faults that the machine of some worker cannot do.

        Raises:
            HarnessError: no worker could start a quorum.
        """
        for event in self.executor.run([Task(key="nfqueue", call=missing_here)]):
            if isinstance(event, Done):
                if event.error is not None:
                    raise event.error
                found: frozenset[str] = event.value
        return found

    def reduce(self, data: Data, results: Results) -> tuple[Data, Results] | None:
        """Return the smallest scenario that fails of the same, and what it came to."""
        return self.smallest(data, results, self.executor, ordered_run.carry_out)

    def _send(self, number: int, data: Data) -> Task:
        scenario = self.load(number, data).for_elsewhere()
        order = Order(scenario=scenario, name=f"fuzz-{number}", wanted="not valid")
        self._orders[number] = order
        return Task(key=str(number), call=ordered_run.carry_out, arguments=(order,))

    def _receive(self, number: int, done: Done) -> Results:
        """Keep what a run left if it was not valid, and return its results.

        Raises:
            HarnessError: it broke off, and what was recorded shows no violation; or the disk is
                full.
        """
        order, came = self._orders.pop(number), delivered_by(done)
        folder, line = kept(done, order, self.folder, runs=self.runs)
        self.outcomes.ended(line)
        if came.results is None:
            if folder is None or not isinstance(came.failure, RunError | HistoryError):
                raise came.failure
            return self.recorded(order.scenario, order.name, folder, came.failure)
        if folder is None:
            self.file(number).unlink()
        else:
            self.terminal.say(f"      report: {_shown(folder)}/report.html")
        return came.results


def missing_here() -> frozenset[str]:
    """Return the faults that this machine cannot do, by a quorum that is removed at once."""
    return missing_on(partial(lending.started, by_hand=False, say=Silent().say))


def missing_on(lend: Lend) -> frozenset[str]:
    """Return the faults that the machine of a quorum cannot do."""
    with lend(QuorumConfig()) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        return frozenset() if up.supports("nfqueue") else fuzz.NEEDS_NFQUEUE


def _shown(folder: RunFolder) -> str:
    return os.path.relpath(folder.path)
