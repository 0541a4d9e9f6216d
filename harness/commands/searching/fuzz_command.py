"""`harness fuzz`: random scenarios, each judged; those that fail are shrunk, each cause once."""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.lending import Kept
from harness import run as runs
from harness.commands.options import DEFAULT_RUNS, RunsOption
from harness.commands.running.launch import Ran, launch, once, prepare, publish
from harness.commands.searching.trials import Trials
from harness.common import run_folder
from harness.common.harness_errors import (
    HarnessError,
    HistoryError,
    RunError,
    ScenarioError,
    expected_one_of,
)
from harness.common.quorum_config import QuorumConfig
from harness.common.run_folder import RunFolder
from harness.report.terminal import Terminal
from harness.results import EXIT_AS_EXPECTED, EXIT_NOT_AS_EXPECTED, EXIT_UNKNOWN
from harness.run_ending import READY_WITHIN_S
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search import finding, fuzz, shrink
from harness.search.campaign import Campaign
from harness.search.replay import Cause
from harness.search.shrink import Data
from harness.view import Silent

TRIES = 2
LEAST_DECIDED = 0.8  # of the runs: fewer, and the campaign shows too little


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="fuzz", epilog="Example: harness fuzz --minutes 30 --seed 7")(fuzz_)


def fuzz_(
    minutes: Annotated[float, typer.Option(min=0, help="For all of it.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same scenarios.")] = 1,
    shrink_minutes: Annotated[float, typer.Option(min=0, help="For each failure.")] = 10,
    keep_in: RunsOption = DEFAULT_RUNS,
    producer: Annotated[
        str, typer.Option(help="Workload that puts; ack-before-write must be found out.")
    ] = "put-all",
    *,
    subject: Annotated[str, typer.Option(help="Queue to test: zkmq, kazoo-queue, ...")] = "zkmq",
) -> int:
    """Draw scenarios from the catalogue of faults, run them, and shrink what fails.

    Each is within what a majority survives, so each should be valid. What came of them is in
    RUNS/fuzz/SEED; the same command goes on from there. Ends with 1 if something was found, 255 if
    a run broke off, 2 if nothing was judged, or more than a fifth of the runs showed nothing.
    """
    _require(producer, subject)
    others = [word for word in (producer, subject) if word not in {"put-all", "zkmq"}]
    folder = keep_in / "fuzz" / "-".join([str(seed), *others])
    run_folder.make_folder(folder, "--runs")
    terminal, until_s = Terminal(), time.monotonic() + 60 * minutes
    with closing(Kept(say=once(terminal.say))) as quorum:
        bench = _Bench(folder, terminal, quorum, shrink_minutes=shrink_minutes, until_s=until_s)
        without = _missing(quorum)
        if without:
            terminal.say(f"this machine has no nfqueue: without {', '.join(sorted(without))}")
        campaign = Campaign(
            folder=folder,
            draw=lambda number: fuzz.generate(
                seed, number, producer=producer, subject=subject, without=without
            ),
            judge=bench.judge,
            reduce=bench.reduce,
            say=terminal.say,
        )
        campaign.resume()
        try:
            campaign.run_while(lambda: time.monotonic() < until_s)
        finally:
            _tell(terminal, campaign)
    return _status(campaign)


def _status(campaign: Campaign) -> int:
    """Return the exit status: what was found comes first, then what could not be shown."""
    if campaign.verdicts["invalid"]:
        return EXIT_NOT_AS_EXPECTED
    if campaign.verdicts["broken"]:
        return HarnessError.exit_status
    return EXIT_AS_EXPECTED if campaign.decided >= LEAST_DECIDED else EXIT_UNKNOWN


@dataclass(slots=True)
class _Bench:
    """Where scenarios are run: one quorum for all, and a folder for those that fail."""

    folder: Path
    terminal: Terminal
    quorum: Kept
    shrink_minutes: float
    until_s: float

    def judge(self, number: int, data: Data) -> Mapping[str, Any]:
        """Run a scenario; what is left of a valid run is its line in fuzz.jsonl."""
        file = self.folder / f"{number}.yaml"
        file.write_text(finding.text(data, []))
        loaded = loading.load(file)
        name = f"fuzz-{number}"
        into = prepare(file, loaded, self.folder, name=name)
        ran = self._launched(loaded, name, into)
        if ran.results.get("interrupted"):
            raise KeyboardInterrupt
        if ran.results["verdict"] == "valid":
            shutil.rmtree(into.path.parent)
            file.unlink()
        else:
            publish(ran, Silent())
            self.terminal.say(f"      report: {_shown(into)}/report.html")
        return ran.results

    def _launched(self, loaded: Scenario, name: str, into: RunFolder) -> Ran:
        """Run a scenario; of a run that breaks off, judge and show what was recorded.

        Raises:
            RunError, HistoryError: it broke off, and what was recorded shows no violation.
        """
        try:
            return launch(loaded, name, into, Silent(), lend=self.quorum.lend)
        except (RunError, HistoryError) as error:
            why = f"an error of the harness: {error}"
            try:
                judged = runs.check(loaded, name, into, interrupted=why)
            except HarnessError:
                self.terminal.say(f"      nothing could be judged; kept in {_shown(into)}")
                raise error from None
            ran = Ran(folder=into, results=judged, took_s=0.0)
            if judged["verdict"] == "invalid":
                # Not a person's Ctrl-C: what it found counts.
                return replace(ran, results={k: v for k, v in judged.items() if k != "interrupted"})
            publish(ran, Silent())
            self.terminal.say(f"      report: {_shown(into)}/report.html")
            raise

    def reduce(self, data: Data, results: Mapping[str, Any]) -> tuple[Data, Any] | None:
        """Return the smallest scenario found in its time that fails of the same."""
        cause = Cause.of(results).gravest
        trials = Trials(
            name=str(results["scenario"]),
            cause=cause,
            tries=TRIES,
            until_s=min(self.until_s, time.monotonic() + 60 * self.shrink_minutes),
            terminal=self.terminal,
            quorum=self.quorum,
        )
        trials.search(shrink.spelled_out(data, seed=data["seed"], because=min(cause.reasons)))
        if trials.results is None:
            return None
        return trials.kept[-1], trials.results


def _shown(folder: RunFolder) -> str:
    return os.path.relpath(folder.path)


def _require(producer: str, subject: str) -> None:
    """Complain before a quorum is started."""
    if producer not in fuzz.producers():
        raise ScenarioError(f"--producer: {expected_one_of(fuzz.producers(), producer)}")
    try:
        loading.of(fuzz.generate(0, 0, producer=producer, subject=subject))
    except ScenarioError as error:
        raise ScenarioError(f"--subject: {error}") from error


def _missing(quorum: Kept) -> frozenset[str]:
    """Return the faults that this machine cannot do."""
    with quorum.lend(QuorumConfig()) as up:
        up.wait_ready(within_s=READY_WITHIN_S)
        return frozenset() if up.supports("nfqueue") else fuzz.NEEDS_NFQUEUE


def _tell(terminal: Terminal, campaign: Campaign) -> None:
    decided = f"; {campaign.decided:.0%} showed something" if campaign.verdicts.total() else ""
    terminal.say(f"{campaign.verdicts.total()} scenarios: {campaign.tally()}{decided}")
    for one in campaign.found:
        where = os.path.relpath(campaign.folder / one.file)
        terminal.say(f"cause {one.number}, {one.times} times: {one.failure}: {where}")
