"""`harness fuzz`: random scenarios, each judged; those that fail are shrunk, each cause once."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.lending import Kept
from harness.campaign.outcome_file import opened
from harness.commands.options import DEFAULT_RUNS, RunsOption
from harness.commands.running.campaign_of_runs import served
from harness.commands.running.crew import CampaignOption, Crew, SchedulerOption, WorkersOption
from harness.commands.running.launch import once
from harness.commands.searching.benches import BenchHere, BenchOnWorkers
from harness.common import run_folder
from harness.common.harness_errors import HarnessError, ScenarioError, expected_one_of
from harness.report.terminal import Terminal
from harness.results import EXIT_AS_EXPECTED, EXIT_NOT_AS_EXPECTED, EXIT_UNKNOWN
from harness.scenario import loading
from harness.search import fuzz
from harness.search.fuzzing import Fuzzing, open_lines

LEAST_DECIDED = 0.8  # of the runs: fewer, and it shows too little


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
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    campaign: CampaignOption = None,
) -> int:
    """Draw scenarios from the catalogue of faults, run them, and shrink what fails.

    Each is within what a majority survives, so each should be valid. What came of them is in
    RUNS/fuzz/SEED; the same command goes on from there. Ends with 1 if something was found, 255 if
    a run broke off, 2 if nothing was judged, or more than a fifth of the runs showed nothing.
    """
    crew = Crew(workers=workers, scheduler=scheduler, campaign=campaign)
    _require(producer, subject)
    others = [word for word in (producer, subject) if word not in {"put-all", "zkmq"}]
    folder = keep_in / "fuzz" / "-".join([str(seed), *others])
    run_folder.make_folder(folder)
    terminal, until_s = Terminal(), time.monotonic() + 60 * minutes
    where = {
        "folder": folder,
        "terminal": terminal,
        "shrink_minutes": shrink_minutes,
        "until_s": until_s,
    }
    with closing(open_lines(folder)) as lines, _bench(crew, keep_in, where) as bench:
        without = bench.missing()
        if without:
            terminal.say(f"this machine has no nfqueue: without {', '.join(sorted(without))}")
        fuzzing = Fuzzing(
            lines=lines,
            draw=lambda number: fuzz.generate(
                seed, number, producer=producer, subject=subject, without=without
            ),
            place=bench.place,
            reduce=bench.reduce,
            say=terminal.say,
        )
        fuzzing.resume()
        try:
            fuzzing.run_while(lambda: time.monotonic() < until_s)
        finally:
            _tell(terminal, fuzzing)
    return _status(fuzzing)


@contextmanager
def _bench(
    crew: Crew, keep_in: Path, where: Mapping[str, Any]
) -> Iterator[BenchHere | BenchOnWorkers]:
    """Have where scenarios are run: one quorum, or workers."""
    terminal: Terminal = where["terminal"]
    if not crew.wanted:
        with closing(Kept(say=once(terminal.say))) as quorum:
            yield BenchHere(quorum=quorum, **where)
        return
    name = where["folder"].name
    with (
        opened(keep_in, crew.campaign or f"fuzz-{name}", command="fuzz", work=[name]) as file,
        served(crew, file, terminal) as executor,
    ):
        yield BenchOnWorkers(executor=executor, outcomes=file, runs=keep_in, **where)


def _status(fuzzing: Fuzzing) -> int:
    """Return the exit status: what was found comes first, then what could not be shown."""
    if fuzzing.verdicts["invalid"]:
        return EXIT_NOT_AS_EXPECTED
    if fuzzing.verdicts["broken"]:
        return HarnessError.exit_status
    return EXIT_AS_EXPECTED if fuzzing.decided >= LEAST_DECIDED else EXIT_UNKNOWN


def _require(producer: str, subject: str) -> None:
    """Complain before a quorum is started."""
    if producer not in fuzz.producers():
        raise ScenarioError(f"--producer: {expected_one_of(fuzz.producers(), producer)}")
    try:
        loading.of(fuzz.generate(0, 0, producer=producer, subject=subject))
    except ScenarioError as error:
        raise ScenarioError(f"--subject: {error}") from error


def _tell(terminal: Terminal, fuzzing: Fuzzing) -> None:
    decided = f"; {fuzzing.decided:.0%} showed something" if fuzzing.verdicts.total() else ""
    terminal.say(f"{fuzzing.verdicts.total()} scenarios: {fuzzing.tally()}{decided}")
    for one in fuzzing.found:
        where = os.path.relpath(fuzzing.folder / one.file)
        terminal.say(f"cause {one.number}, {one.times} times: {one.failure}: {where}")
