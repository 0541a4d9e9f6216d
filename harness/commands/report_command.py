"""`harness report`: build the report of a run that was made before."""

import os
from pathlib import Path
from typing import Annotated

import typer

from harness import run_folder
from harness.report import page
from harness.report.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Enter the command."""
    app.command(epilog="Example: harness report runs/latest --item 317")(report)


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    item: Annotated[
        list[str] | None, typer.Option(help="An item whose life must be in it; repeatable.")
    ] = None,
) -> None:
    """Build report.html, one file that opens without a network, from a run's folder."""
    written = page.write(run_folder.open_run(run), item or [])
    Terminal().say(os.path.relpath(written))
