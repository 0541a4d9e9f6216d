"""The command line: puts cluster, queue and harness together, and turns outcomes into statuses."""

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cluster import lending, quorum
from cluster.engine import engine, leftovers, processes
from harness import results as results_json
from harness import run as runs
from harness import run_folder
from harness.checkers import checkers
from harness.commands import (
    batch,
    export_command,
    fuzz_command,
    new_command,
    plan_command,
    replay_command,
    report_command,
    serve_command,
    shrink_command,
    standing,
)
from harness.commands import faults_command as hurting
from harness.commands.launch import Ran, publish
from harness.faults import faults
from harness.harness_errors import HarnessError, ScenarioError
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
RunsOption = Annotated[Path, typer.Option("--runs", help="Folder that runs are kept in.")]
RunArgument = Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")]
DEFAULT_RUNS = Path("runs")
# The parser's usage errors have no public name in typer, only this one's base.
_USAGE_ERROR: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line and end with the status that CI reads."""
    with _clean_exit():
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
        _complain(str(error))
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 -- whatever it is, CI must not take it for a verdict
        traceback.print_exc()
        _complain("this is a defect of the harness, and says nothing about the queue")
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
        with _clean_exit():
            hurting.tidy(terminal.say)
            for file, scenario in loaded:
                chosen = scenario if seed is None else scenario.model_copy(update={"seed": seed})
                runner.run(file, chosen, by_hand=keep)
                if _interrupted():
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


@app.command(epilog="Example: harness up --port 2181 && harness status && harness down")
def up(
    nodes: Annotated[int, typer.Option(min=1, max=9, help="How many servers.")] = 5,
    zookeeper: Annotated[str, typer.Option(help="Release: 3.9.6, 3.9.3 or 3.8.0.")] = "3.9.6",
    image: Annotated[str | None, typer.Option(help="Any image like the official one.")] = None,
    heap_mb: Annotated[int, typer.Option(min=64, help="Heap of each server.")] = 256,
    port: Annotated[int | None, typer.Option(help="First of consecutive ports.")] = None,
    *,
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The gateway's; 9998 if that is free.")
    ] = None,
    gateway: Annotated[bool, typer.Option(help="Start a gateway, for HTTP, beside it.")] = True,
) -> None:
    """Start a quorum by hand, and a gateway beside it; they stay until `down`."""
    terminal = Terminal()
    cluster = scenarios.cluster(
        {"nodes": nodes, "zookeeper": zookeeper, "image": image, "heap_mb": heap_mb, "port": port}
    )
    with _clean_exit():
        held = standing.hold(gateway_port, terminal.say) if gateway else None
        started = quorum.up(lending.config_of(cluster.model_dump()), by_hand=True, say=terminal.say)
        try:
            took_s = started.wait_ready()
            url = standing.start(started.run, started.hosts, held) if held else None
        except BaseException:
            started.down()
            raise
    terminal.say(f"quorum {started.run} ready in {took_s:.1f} s; connect string:")
    terminal.console.print(started.hosts, soft_wrap=True)
    if url:
        terminal.say(f"gateway: {url}")


@app.command(epilog="Example: harness status")
def status() -> None:
    """Show every quorum that is up: nodes, roles, zxids, followers in sync, faults in force."""
    console = Console(highlight=False)
    client = engine.connect()
    held = leftovers.runs(client)
    if not held:
        console.print("no quorum is up; `harness up` starts one")
    for one in held:
        kind = "by hand" if one.by_hand else "left behind" if one.left else "of a run in progress"
        console.print(f"quorum {one.run} ({kind})")
        attached = quorum.attach(client, one.run)
        console.print(hurting.status_table(attached))
        console.print(hurting.in_force(attached))
        console.print(standing.told(one.run))


@app.command(epilog="Example: harness logs --node 3")
def logs(
    node: Annotated[int | None, typer.Option(help="Only this server's.")] = None,
    run: Annotated[str | None, typer.Option(help="Id of the quorum, from `status`.")] = None,
) -> None:
    """Print the logs of the servers of a quorum that is up."""
    shown = hurting.the_quorum(run)
    if node is not None and node not in shown.nodes:
        known = ", ".join(map(str, shown.nodes))
        raise ScenarioError(f"--node: expected one of {known}, got {node}")
    for id, log in shown.logs():
        if node in {None, id}:
            sys.stdout.buffer.write(b"".join(b"node-%d  %b\n" % (id, x) for x in log.splitlines()))


@app.command(epilog="Example: harness down")
def down() -> None:
    """Remove the quorums that `up` or `run --keep` started, and the gateways beside them."""
    client = engine.connect()
    for held in leftovers.runs(client):
        if held.by_hand:
            leftovers.remove_run(client, held.run)
            Terminal().say(f"removed quorum {held.run}")


@app.command(epilog="Example: harness clean")
def clean(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also runs in progress and quorums started by hand.")
    ] = False,
) -> None:
    """Remove what runs left behind: containers, networks, volumes, rules, processes."""
    try:
        client = engine.connect()
    except HarnessError:
        processes.end(processes.beside())  # without an engine there is no quorum either
        Terminal().say("no Docker engine answers, so nothing of ours runs in one")
        return
    removed = leftovers.clean(client, everything=everything)
    Terminal().say(f"removed what {len(removed)} runs had left: {', '.join(removed) or 'nothing'}")
    hurting.heal_left(Terminal().say)


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
serve_command.register(app)
new_command.register(app)
new_command.register(app)
plan_command.register(app)
replay_command.register(app)
shrink_command.register(app)
fuzz_command.register(app)
export_command.register(app)
hurting.register(app)

_stopped: list[int] = []


def _interrupted() -> bool:
    return bool(_stopped)


@contextmanager
def _clean_exit() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt; let cleaning up finish."""

    def stop(number: int, _: object) -> None:
        if _stopped:
            _complain("still cleaning up; `harness clean` does it if this is ended with -9")
            return
        _stopped.append(number)
        raise KeyboardInterrupt

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(status: int, terminal: Terminal) -> int:
    """Print the status where make, which turns every failure into its own 2, hides it."""
    words = {0: "as expected", 1: "not as expected", 2: "unknown", 254: "bad scenario"}
    if status != 0:
        terminal.say(f"harness: exit {status} ({words.get(status, 'failed')})")
    return status


def _complain(text: str) -> None:
    sys.stderr.write(f"harness: {text}\n")


if __name__ == "__main__":
    main()
