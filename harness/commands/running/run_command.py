"""`harness run` and `check`: scenarios on a quorum, and the verdict on what was recorded."""

from pathlib import Path
from typing import Annotated

import typer

from harness import results as results_json
from harness import run as runs
from harness.commands import interrupts
from harness.commands.manual import faults_command as hurting
from harness.commands.options import DEFAULT_RUNS, RunArgument, RunsOption
from harness.commands.running import batch
from harness.commands.running import piece as pieces
from harness.commands.running.crew import CampaignOption, Crew, SchedulerOption, WorkersOption
from harness.commands.running.launch import Ran, publish
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.report import judged as judged_run
from harness.report.terminal import Terminal
from harness.scenario import loading as scenarios
from harness.scenario.pieces import Share
from harness.telemetry import exporting


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command(epilog="Example: harness run scenarios/seed/leader-kill.yaml --seed 7")(run)
    app.command(epilog="Example: harness check runs/latest")(check)


def run(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Scenario files, or names such as seed/leader-kill.", metavar="FILE..."
        ),
    ],
    seed: Annotated[int | None, typer.Option(help="Instead of the scenarios' own.")] = None,
    keep_in: RunsOption = DEFAULT_RUNS,
    junit: Annotated[Path | None, typer.Option(help="Write junit.xml of all of them here.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Run only the I-th of N shares of them.", metavar="I/N")
    ] = None,
    *,
    otlp: Annotated[
        str | None,
        typer.Option(
            help="Send faults and calls to this OpenTelemetry collector, live.",
            metavar="URL",
        ),
    ] = None,
    piece: Annotated[
        str | None,
        typer.Option(
            help="Run the I-th of N pieces of a long scenario, on the disks of the one before.",
            metavar="I/N",
        ),
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(help="Docker engines to spread the nodes over, such as host-1,host-2."),
    ] = None,
    times: Annotated[int, typer.Option(min=1, help="How often each; prints the rate.")] = 1,
    github: Annotated[
        bool,
        typer.Option(
            "--github",
            envvar="GITHUB_ACTIONS",
            help="Annotate the files, as GitHub's log reads it.",
        ),
    ] = False,
    require_all: Annotated[
        bool, typer.Option("--require-all", help="End with 2 if a scenario is skipped.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the quorum up afterwards, as `up` does.")
    ] = False,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    campaign: CampaignOption = None,
) -> int:
    """Run scenarios, judge them, and say whether each verdict is as expected."""
    crew = Crew(workers=workers, scheduler=scheduler, campaign=campaign)
    without = {"keep": keep, "piece": piece, "otlp": otlp, "engines": engines}
    alone = [name for name, given in without.items() if given]
    if crew.wanted and alone:
        raise ScenarioError(f"--{alone[0]}: expected it without --workers and --scheduler")
    if junit is not None:
        run_folder.require_writable(junit, "--junit")
    if otlp is not None:
        exporting.require(otlp)
    terminal = Terminal()
    share = _piece(piece, files, alone=shard is None and times == 1 and not keep)
    runner = batch.Batch(
        terminal, keep_in, require_all=require_all, github=github, otlp=otlp, piece=share
    )
    try:
        loaded = runner.load(batch.shard(files, shard))
        if engines is not None:
            on = [name.strip() for name in engines.split(",")]
            loaded = [(file, scenarios.on_engines(scenario, on)) for file, scenario in loaded]
        if not loaded:
            terminal.say(f"no scenario is in share {shard}; there are {len(files)}")
        run_folder.make_folder(keep_in)
        with interrupts.clean_exit():
            hurting.tidy(terminal.say)
            update = {} if seed is None else {"seed": seed}
            chosen = [(file, scenario.model_copy(update=update)) for file, scenario in loaded]
            if share is not None:
                file = chosen[0][0]
                chosen = [(file, pieces.scenario(file, share, keep_in=keep_in, seed=seed))]
            if crew.wanted:
                runner.run_campaign(chosen, crew, times=times)
            else:
                runner.run_all(chosen, times=times, by_hand=keep)
    finally:
        runner.write(junit)
    return _announce(runner.status, terminal)


def _piece(word: str | None, files: list[Path], *, alone: bool) -> Share | None:
    """Read --piece, which goes with one file and none of --shard, --times and --keep."""
    if word is None:
        return None
    if len(files) > 1 or not alone:
        raise ScenarioError(
            "--piece: expected one scenario, without --shard, --times and --keep; got more"
        )
    return Share.parse(word, "--piece")


def check(run: RunArgument) -> int:
    """Judge a run that was made before, again, with today's checkers."""
    folder = run_folder.open_run(run)
    folder.require_ended()
    scenario = scenarios.load(folder.scenario)
    judged_before = judged_run.load_if_any(folder)
    old = folder.begun() if judged_before is None else judged_before
    # The folder's copy has the file's seed; `run --seed` may have used another.
    scenario = scenario.model_copy(update={"seed": old.get("seed", scenario.seed)})
    name = old.get("scenario") or folder.path.parent.name
    judged = runs.check(scenario, name, folder, interrupted=old.get("interrupted"))
    terminal = Terminal()
    publish(Ran(folder=folder, results=judged, took_s=0.0), terminal)
    terminal.summary(judged, str(run))
    return _announce(results_json.exit_status(judged), terminal)


def _announce(status: int, terminal: Terminal) -> int:
    """Print the status where make, which turns every failure into its own 2, hides it."""
    words = {0: "as expected", 1: "not as expected", 2: "unknown", 254: "bad scenario"}
    if status != 0:
        terminal.say(f"harness: exit {status} ({words.get(status, 'failed')})")
    return status
