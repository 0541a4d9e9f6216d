"""`harness report`, `export` and `serve`: runs that were made before, for people and programs."""

import os
import socket
import sys
from contextlib import closing
from typing import Annotated

import typer
import uvicorn

from harness.commands.options import DEFAULT_RUNS, RunArgument, RunsOption
from harness.common import run_folder
from harness.common.harness_errors import HistoryError, ScenarioError
from harness.history.columns import History
from harness.report import page
from harness.report.export import Form, given_back, written
from harness.report.serve import application
from harness.report.terminal import Terminal
from harness.words import counted

LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command(epilog="Example: harness report runs/latest --item 317")(report)
    app.command(epilog="Example: harness serve --port 8080")(serve)
    app.command(epilog="Example: harness export runs/latest --format jepsen > history.edn")(export)


def report(
    run: RunArgument,
    item: Annotated[
        list[str] | None, typer.Option(help="An item whose life must be in it; repeatable.")
    ] = None,
) -> None:
    """Build report.html, one file that opens without a network, from a run's folder."""
    written = page.write(run_folder.open_run(run), item or [])
    Terminal().say(os.path.relpath(written))


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On loopback.")] = 8080,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Show all runs in the browser, on loopback, until Ctrl-C."""
    if not runs.is_dir():
        raise ScenarioError(f"--runs: expected a folder of runs, got {str(runs)!r}")
    with closing(_listening(port)) as listener:
        Terminal().say(f"http://{LOOPBACK}:{port}/ shows {runs}; Ctrl-C ends it")
        config = uvicorn.Config(application(runs.resolve()), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ScenarioError(
            f"--port: expected a free port on {LOOPBACK}, got {port}: {error.strerror}"
        ) from error


def export(
    run: RunArgument,
    form: Annotated[Form, typer.Option("--format", help="EDN, or JSON lines.")],
) -> None:
    """Print a run's enqueues and dequeues as other checkers read them."""
    history = History.load(run_folder.open_run(run).history)
    if history.malformed_lines:
        at, found = history.malformed_at[0], counted(history.malformed_lines, "malformed line")
        raise HistoryError(f"{run}/history.jsonl:{at}: expected an event; {found} in all")
    for line in written(history, form):
        sys.stdout.write(line + "\n")
    if left_out := len(given_back(history)):
        left = counted(left_out, "item")
        sys.stderr.write(f"harness: left out {left} that may have come back\n")
