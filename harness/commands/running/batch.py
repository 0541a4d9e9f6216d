"""Several scenarios one after the other: their statuses, and what CI reads of all of them."""

import os
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from cluster import lending
from cluster.engine import labels
from harness import results
from harness.commands import interrupts
from harness.commands.running.campaign_of_runs import CampaignOfRuns, Outcome
from harness.commands.running.crew import Crew
from harness.commands.running.launch import Ran, launch, once, prepare, publish
from harness.commands.running.ordered_run import Order
from harness.common import run_folder
from harness.common.harness_errors import HarnessError, ScenarioError, UnmetError
from harness.report import annotations, junit, markdown
from harness.report.batch_summary import Row
from harness.report.junit import Suite
from harness.report.terminal import Terminal
from harness.scenario import catalogue, loading, pieces
from harness.scenario.pieces import Share
from harness.scenario.schema import Scenario
from harness.telemetry import exporting
from harness.words import counted

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"  # the file that GitHub, Gitea and Forgejo show after a job
T = TypeVar("T")


def shard(every: Sequence[T], which: str | None) -> list[T]:
    """Return the i-th of n shares of equal size, to the word `i/n`; all of them for None.

    Raises:
        ScenarioError: no such word, or i is not in 1..n.
    """
    if which is None:
        return list(every)
    share = Share.parse(which, "--shard")
    return list(every[share.number - 1 :: share.count])


class Batch:
    """Runs scenarios and remembers how each ended."""

    def __init__(
        self,
        terminal: Terminal,
        keep_in: Path,
        *,
        require_all: bool = False,
        github: bool = False,
        otlp: str | None = None,
        piece: Share | None = None,
    ) -> None:
        self._terminal, self._keep_in, self._require_all = terminal, keep_in, require_all
        self._github, self._otlp, self._piece = github, otlp, piece
        self._say_once = once(terminal.say)
        self._statuses: list[int] = []
        self._ran: list[tuple[Path, Ran]] = []
        self._suites: list[Suite] = []
        self._rows: list[Row] = []
        self._failed: dict[str, str] = {}

    def load(self, files: Sequence[Path]) -> list[tuple[Path, Scenario]]:
        """Load all of them, before anything is started.

        Raises:
            ScenarioError: some cannot be; says which. None is run then.
        """
        loaded, broken = [], dict[Path, str]()
        for file in files:
            try:
                found = catalogue.find(file)
                loaded.append((found, loading.load(found)))
                loading.require_runnable(loaded[-1][1])
            except ScenarioError as error:
                broken[file] = str(error)
        if not broken:
            return loaded
        for file in files:
            name, why = run_folder.name_of(file), broken.get(file)
            if why is not None:
                self._failed[name] = why
                if self._github:
                    title = f"{name}: cannot be loaded"
                    told = annotations.annotation("error", file, why, title=title)
                    self._terminal.write_raw(told)
            self._suites.append(
                Suite.skipped(name, "not run: another scenario cannot be loaded", 0.0)
                if why is None
                else Suite.failed(name, why, 0.0)
            )
        raise ScenarioError("\n".join(broken.values()))

    def run_all(
        self, loaded: Sequence[tuple[Path, Scenario]], *, times: int = 1, by_hand: bool
    ) -> None:
        """Run the scenarios one after the other until Ctrl-C; of several runs, end with a table."""
        every = [each for each in loaded for _ in range(times)]
        for number, (file, scenario) in enumerate(every, 1):
            if len(every) > 1:
                self._terminal.say(f"{number} of {len(every)}")
            self.run(file, scenario, by_hand=by_hand)
            if interrupts.interrupted():
                break
        if len(every) > 1:
            self._terminal.batch(self._rows)
        if times > 1:
            self._tell_rates()

    def _tell_rates(self) -> None:
        """Say of each scenario how often it was as expected."""
        for name, rate in junit.rates(self._suites).items():
            self._terminal.say(f"{name}: as expected in {rate} runs")

    def run_campaign(
        self, loaded: Sequence[tuple[Path, Scenario]], crew: Crew, *, times: int = 1
    ) -> None:
        """Run the scenarios side by side until Ctrl-C; end with a table of what needs a look.

        Raises:
            HarnessError: the campaign could not go on; what was not decided is unknown.
        """
        files = {
            f"{number} {run_folder.name_of(file)}": (file, scenario)
            for number, (file, scenario) in enumerate(
                (each for each in loaded for _ in range(times)), 1
            )
        }
        campaign = CampaignOfRuns(
            command="run",
            crew=crew,
            runs=self._keep_in,
            orders={
                key: Order(scenario=scenario.for_elsewhere(), name=run_folder.name_of(file))
                for key, (file, scenario) in files.items()
            },
            terminal=self._terminal,
        )
        why = "it was not run"
        try:
            with closing(campaign.outcomes()) as outcomes:
                for key, outcome in outcomes:
                    self._came(files[key][0], outcome)
        except KeyboardInterrupt as signal:
            why = f"interrupted by {str(signal) or 'Ctrl-C'}"
        finally:
            for key in campaign.left:
                self._untried(files[key][0], why)
            self._terminal.batch(self._rows, of_many=True)
            if campaign.left:
                self._terminal.say(f"{counted(len(campaign.left), 'run')} unknown: {why}")
            if times > 1:
                self._tell_rates()

    def _came(self, file: Path, outcome: Outcome) -> None:
        """Add the outcome of a worker's run to the rows; print it unless it was as expected."""
        name = run_folder.name_of(file)
        if isinstance(outcome, Ran):
            self._judged(file, outcome)
            row = self._rows[-1]
            if row.state != "as expected":
                self._terminal.say(f"{name}: {row.verdict} ({row.reason}); {row.report}")
        elif outcome.skipped:
            self._skipped(name, file, outcome.why, outcome.took_s)
        elif outcome.undecided:
            self._terminal.say(f"{name}: unknown: {outcome.why}")
            self._untried(file, outcome.why)
            row = Row(scenario=name, state="unknown", verdict="unknown", expected="", took_s=0.0)
            self._ended(file, replace(row, reason="not decided", sentence=outcome.why))
        else:
            status = outcome.failure.exit_status
            self._no_verdict(name, file, outcome.why, status, outcome.took_s)

    def run(self, file: Path, wanted: Scenario, *, by_hand: bool = False) -> None:
        """Run one scenario, print what came out, and remember it, also if it could not be run."""
        name, began_s = run_folder.name_of(file), time.monotonic()
        if self._piece is not None:
            name = pieces.name(name, self._piece)
        try:
            self._run(name, file, wanted, by_hand=by_hand)
        except UnmetError as unmet:
            self._skipped(name, file, str(unmet), time.monotonic() - began_s)
        except HarnessError as error:
            self._no_verdict(name, file, str(error), error.exit_status, time.monotonic() - began_s)
        except Exception as error:  # noqa: BLE001 -- the scenarios after it are run all the same
            traceback.print_exc()
            told = f"a defect of the harness, not of the queue: {type(error).__name__}: {error}"
            took_s = time.monotonic() - began_s
            self._no_verdict(name, file, told, HarnessError.exit_status, took_s)

    def _run(self, name: str, file: Path, wanted: Scenario, *, by_hand: bool) -> None:
        say = self._terminal.say
        say(f"{name}: {wanted.title}")
        say(f"seed {wanted.seed}")
        folder = prepare(file, wanted, self._keep_in, name=name)
        disks = None if self._piece is None else folder.disks
        try:
            lend = partial(lending.started, by_hand=by_hand, say=self._say_once, keep_disks=disks)
            with exporting.to(
                self._otlp,
                folder,
                scenario=name,
                seed=wanted.seed,
                say=say,
                environment={labels.OWNER_VARIABLE: str(labels.Owner.me())},
            ):
                ran = launch(wanted, name, folder, self._terminal, lend=lend)
        except HarnessError:
            say(f"what was recorded is kept in {os.path.relpath(folder.path)}")
            raise
        publish(ran, self._terminal)
        self._terminal.summary(ran.results, os.path.relpath(folder.path))
        self._judged(file, ran)

    def _judged(self, file: Path, ran: Ran) -> None:
        self._ran.append((file, ran))
        self._suites.append(Suite.of(ran.results, ran.took_s))
        self._statuses.append(results.exit_status(ran.results))
        report = f"{os.path.relpath(ran.folder.path)}/report.html"
        self._ended(file, Row.of(ran.results, ran.took_s, report))

    def _skipped(self, name: str, file: Path, why: str, took_s: float) -> None:
        self._terminal.say(f"{name}: skipped: {why}")
        self._suites.append(Suite.skipped(name, why, took_s))
        self._statuses.append(results.EXIT_UNKNOWN if self._require_all else 0)
        row = Row(scenario=name, state="skipped", verdict="skipped", expected="", took_s=took_s)
        self._ended(file, replace(row, reason=why))

    def _untried(self, file: Path, why: str) -> None:
        """Remember a run that did not take place: nothing is known of it."""
        self._suites.append(Suite.untried(run_folder.name_of(file), why))
        self._statuses.append(results.EXIT_UNKNOWN)

    def _no_verdict(self, name: str, file: Path, why: str, status: int, took_s: float) -> None:
        self._terminal.complain(f"{name}: {why}")
        self._failed[name] = why
        self._suites.append(Suite.failed(name, why, took_s))
        self._statuses.append(status)
        row = Row(scenario=name, state="failed", verdict="failed", expected="", took_s=took_s)
        self._ended(file, replace(row, reason="see below", sentence=why))

    def _ended(self, file: Path, row: Row) -> None:
        self._rows.append(row)
        if self._github and (told := annotations.of_row(file, row)):
            self._terminal.write_raw(told)

    def write(self, junit_file: Path | None) -> None:
        """Write junit.xml where it was asked for, and the summary where the CI offers a file."""
        if junit_file is not None:
            junit.write(junit.numbered(self._suites), junit_file)
        if offered := os.environ.get(STEP_SUMMARY):
            judged = [(file, ran.results) for file, ran in self._ran]
            text = markdown.summary(judged, self._failed, junit.rates(self._suites))
            with Path(offered).open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    @property
    def status(self) -> int:
        """Return the exit status of all of them."""
        return results.merge_exit_statuses(self._statuses)
