"""The command line: puts cluster, queue and harness together, and turns outcomes into statuses."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness import results as results_json
from harness import run as runs
from harness.checkers import checkers
from harness.commands import (
    batch,
    fuzz_command,
    interrupts,
    new_command,
    plan_command,
    quorum_command,
    replay_command,
    report_command,
    shrink_command,
)
from harness.commands import faults_command as hurting
from harness.commands.launch import Ran, publish
from harness.commands.options import DEFAULT_RUNS, RunArgument, RunsOption
from harness.common import run_folder
from harness.common.harness_errors import HarnessError, ScenarioError
from harness.faults import faults
from harness.report import judged as judged_run
from harness.report.terminal import Terminal
from harness.scenario import catalogue, schema
from harness.scenario import loading as scenarios
from harness.workloads import workloads

EXIT_USAGE, EXIT_FAILED, EXIT_INTERRUPTED = 254, 255, 2
_EPILOG = (
    "Exit status: 0 every verdict as expected; 1 one was not; 2 unknown; 254 bad arguments or "
    "scenario; 255 the harness or Docker failed."
)

app = typer.Typer(
    name="harness",
    help="Prove that a queue on ZooKeeper keeps every message, in order, while servers fail.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# The parser's usage errors have no public name in typer, only this one's base.
_USAGE_ERROR: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line and end with the status that CI reads."""
    with interrupts.clean_exit():
        status = _status(app)
    sys.exit(status)


def _status(command: Callable[..., Any]) -> int:
    try:
        status = command(standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    except _USAGE_ERROR as error:
        error.show()
        return EXIT_USAGE
    except HarnessError as error:
        interrupts.complain(str(error))
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        interrupts.complain("interrupted")
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 -- whatever it is, CI must not take it for a verdict
        traceback.print_exc()
        interrupts.complain("this is a defect of the harness, and says nothing about the queue")
        return EXIT_FAILED
    return status if isinstance(status, int) else 0


@app.command(epilog="Example: harness run scenarios/seed/leader-kill.yaml --seed 7")
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
    require_all: Annotated[
        bool, typer.Option("--require-all", help="End with 2 if a scenario is skipped.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the quorum up afterwards, as `up` does.")
    ] = False,
) -> int:
    """Run scenarios, judge them, and say whether each verdict is as expected."""
    if junit is not None:
        run_folder.require_writable(junit, "--junit")
    terminal = Terminal()
    runner = batch.Batch(terminal, keep_in, require_all=require_all)
    try:
        loaded = runner.load(batch.shard(files, shard))
        run_folder.make_folder(keep_in, "--runs")
        with interrupts.clean_exit():
            hurting.tidy(terminal.say)
            for file, scenario in loaded:
                chosen = scenario if seed is None else scenario.model_copy(update={"seed": seed})
                runner.run(file, chosen, by_hand=keep)
                if interrupts.interrupted():
                    break
    finally:
        runner.write(junit)
    return _announce(runner.status, terminal)


@app.command(epilog="Example: harness check runs/latest")
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


quorum_command.register(app)


@app.command(name="list", epilog="Example: harness list")
def list_(
    folder: Annotated[
        Path | None, typer.Option(help="Where scenarios are.", show_default="those of the harness")
    ] = None,
) -> None:
    """List scenarios, workloads, faults and checkers, each with its first line."""
    place = catalogue.folder() if folder is None else folder
    if not place.is_dir():
        raise ScenarioError(f"--folder: expected a folder of scenarios, got {str(folder)!r}")
    table = Table(box=None, show_header=False, pad_edge=False)
    for registry in (workloads, faults, checkers):
        for name in registry:
            table.add_row(registry.kind, name, registry.summary(name))
    for name, path in catalogue.names(place):
        table.add_row("scenario", name, _title(path))
    Console(highlight=False).print(table)


def _title(path: Path) -> str:
    """Return what a scenario is about; of a bad file, what is wrong with it."""
    try:
        return scenarios.load(path).title
    except ScenarioError as error:
        return f"cannot be loaded: {str(error).splitlines()[0]}"


@app.command(name="schema", epilog="Example: harness schema > scenario.schema.json")
def schema_() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    sys.stdout.write(json.dumps(schema.json_schema(), indent=2) + "\n")


# After the commands above, so that help lists what most people look for first.
report_command.register(app)
new_command.register(app)
plan_command.register(app)
replay_command.register(app)
shrink_command.register(app)
fuzz_command.register(app)
report_command.register_export(app)
hurting.register(app)


def _announce(status: int, terminal: Terminal) -> int:
    """Print the status where make, which turns every failure into its own 2, hides it."""
    words = {0: "as expected", 1: "not as expected", 2: "unknown", 254: "bad scenario"}
    if status != 0:
        terminal.say(f"harness: exit {status} ({words.get(status, 'failed')})")
    return status


if __name__ == "__main__":
    main()
