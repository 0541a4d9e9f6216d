"""`harness shrink`: from a run that failed to the smallest scenario that still fails."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.lending import Kept
from harness.campaign.outcome_file import opened
from harness.campaign.tasks import InTurn
from harness.commands.options import DEFAULT_RUNS, RunsOption
from harness.commands.running import ordered_run
from harness.commands.running.campaign_of_runs import served
from harness.commands.running.crew import CampaignOption, Crew, SchedulerOption, WorkersOption
from harness.commands.searching.trials import Trials, key_of, on
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.rate import Rate
from harness.report import judged
from harness.report.terminal import Terminal
from harness.scenario import yaml_document
from harness.search import finding, shrink
from harness.search.replay import Cause
from harness.search.shrink import Data

FILE = "shrunk.yaml"
EXIT_RARER, EXIT_NOT_AGAIN, EXIT_INTERRUPTED = 1, 2, 2


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="shrink", epilog="Example: harness shrink runs/latest --minutes 20")(shrink_)


def shrink_(
    run: Annotated[Path, typer.Argument(help="A run that failed, such as runs/latest.")],
    minutes: Annotated[float, typer.Option(min=0, help="For the search.")] = 30,
    tries: Annotated[int, typer.Option(min=1, help="Failures in a row that count.")] = 2,
    *,
    rate: Annotated[float, typer.Option(min=0, max=1, help="Wanted of the result.")] = 0.9,
    times: Annotated[int, typer.Option(min=1, help="Runs that measure the result.")] = 10,
    output: Annotated[Path | None, typer.Option(help="Instead of shrunk.yaml in RUN.")] = None,
    keep_in: RunsOption = DEFAULT_RUNS,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    campaign: CampaignOption = None,
) -> int:
    """Take out of a failing scenario what the failure does not need; write the rest.

    All candidates run on one quorum, one after the other, each on new servers with empty disks;
    with workers as many at once as there are. Ctrl-C ends the search; the smallest that failed so
    far is written then, too.
    """
    crew = Crew(workers=workers, scheduler=scheduler, campaign=campaign)
    folder = run_folder.open_run(run)
    old, terminal = judged.load(folder), Terminal()
    cause = Cause.of(old).gravest
    if not cause.reasons:
        raise ScenarioError(f"{run}: expected a run that failed, got {old['verdict']}")
    whole = shrink.spelled_out(
        yaml_document.load(folder.scenario).data, seed=old["seed"], because=min(cause.reasons)
    )
    target = output or folder.path / FILE
    run_folder.require_writable(target, "--output")
    terminal.say(f"{old['scenario']}: {shrink.size_of(whole)}; fails of {_reasons(cause)}")
    known = {
        "name": old["scenario"],
        "cause": cause,
        "tries": tries,
        "until_s": time.monotonic() + 60 * minutes,
        "terminal": terminal,
    }
    with _trials(crew, keep_in, whole, known) as trials:
        try:
            _search(trials, whole)
            found, measured = _measured(trials, rate, times)
        except KeyboardInterrupt:
            found, measured = (trials.kept[-1] if trials.kept else None), None
    if found is None:
        terminal.say("the failure did not show again, so nothing can be taken out for certain")
        return EXIT_NOT_AGAIN
    target.write_text(finding.text(_described(found, old), _origin(found, whole, old, measured)))
    rate_known = "" if measured is not None else " without a rate: it was not measured"
    terminal.say(f"written to {os.path.relpath(target)}{rate_known}")
    if measured is None:
        return EXIT_INTERRUPTED
    return 0 if measured.count >= rate * times else EXIT_RARER


@contextmanager
def _trials(crew: Crew, keep_in: Path, whole: Data, known: Mapping[str, Any]) -> Iterator[Trials]:
    """Have where candidates are tried: one quorum, or workers."""
    if not crew.wanted:
        with closing(Kept(say=lambda _: None)) as quorum:
            yield Trials(executor=InTurn(), carry_out=on(quorum), **known)
        return
    work = [key_of(whole), str(known["cause"]), str(known["tries"])]
    terminal: Terminal = known["terminal"]
    with (
        opened(keep_in, crew.name, command="shrink", work=work) as file,
        served(crew, file, terminal) as executor,
    ):
        yield Trials(executor=executor, carry_out=ordered_run.carry_out, file=file, **known)


def _search(trials: Trials, whole: Data) -> None:
    began_s = time.monotonic()
    trials.search(whole)
    took_min = (time.monotonic() - began_s) / 60
    trials.terminal.say(f"searched for {took_min:.1f} minutes, {trials.runs} runs")


def _measured(trials: Trials, wanted: float, times: int) -> tuple[Data | None, Rate | None]:
    """Return the smallest of those kept that fails at the wanted rate, as far as one is found.

    Those before it are asked ever farther back, so that a rare failure costs few of them; if none
    is good enough it is the first of all, with the rate that it has.
    """
    back, measured = 1, None
    while trials.kept:
        candidate = trials.kept[max(0, len(trials.kept) - back)]
        measured = trials.rate(candidate, times, allowed=times - wanted * times)
        trials.terminal.say(f"{shrink.size_of(candidate)}: {_fails(measured)}")
        if measured.count >= wanted * times or back >= len(trials.kept):
            return candidate, measured
        back *= 2
    return None, None


def _described(found: Data, old: Mapping[str, Any]) -> Data:
    was = str(found["description"]).strip()
    return found | {
        "description": f"What {old['scenario']} needs to fail of {found['because']}.\n{was}"
    }


def _origin(found: Data, whole: Data, old: Mapping[str, Any], measured: Rate | None) -> list[str]:
    """Return the comment that says where a scenario comes from."""
    return [
        f"Shrunk from {old['scenario']} (seed {old['seed']}) by `harness shrink`:",
        f"  {shrink.size_of(whole)}",
        f"  -> {shrink.size_of(found)}",
        f"{_fails(measured)} because of {found['because']!r}.",
    ]


def _fails(measured: Rate | None) -> str:
    return "Not measured" if measured is None else f"Failed in {measured} runs"


def _reasons(cause: Cause) -> str:
    return ", ".join(sorted(cause.reasons))
