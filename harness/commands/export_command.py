"""`harness export`: a run's history for other people's checkers."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import run_folder
from harness.harness_errors import HistoryError
from harness.history.columns import History
from harness.report.export import Form, given_back, written
from harness.words import counted


def register(app: typer.Typer) -> None:
    """Enter the command."""
    app.command(epilog="Example: harness export runs/latest --format jepsen > history.edn")(export)


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    form: Annotated[Form, typer.Option("--format", help="EDN, or JSON lines.")],
) -> None:
    """Write a run's enqueues and dequeues as other checkers read them, to standard output."""
    history = History.load(run_folder.open_run(run).history)
    if history.malformed_lines:
        at, found = history.malformed_at[0], counted(history.malformed_lines, "malformed line")
        raise HistoryError(f"{run}/history.jsonl:{at}: expected an event; {found} in all")
    for line in written(history, form):
        sys.stdout.write(line + "\n")
    if left_out := len(given_back(history)):
        left = counted(left_out, "item")
        sys.stderr.write(f"harness: left out {left} that may have come back\n")
