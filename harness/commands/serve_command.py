"""`harness serve`: all runs in the browser."""

import socket
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from harness.harness_errors import ScenarioError
from harness.report.serve import application
from harness.report.terminal import Terminal

LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Enter the command."""
    app.command(epilog="Example: harness serve --port 8080")(serve)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="On loopback.")] = 8080,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that runs are kept in.")] = Path(
        "runs"
    ),
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
