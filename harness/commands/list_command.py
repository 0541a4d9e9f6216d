"""`harness list` and `schema`: what a scenario can be made of."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness.checkers import checkers
from harness.clients.subject import subjects
from harness.common.harness_errors import ScenarioError
from harness.common.settings.registry import Registry
from harness.faults import faults
from harness.report.terminal import wide
from harness.scenario import catalogue, schema
from harness.scenario import loading as scenarios
from harness.workloads import workloads


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command(name="list", epilog="Example: harness list")(list_)
    app.command(name="schema", epilog="Example: harness schema > scenario.schema.json")(schema_)


def list_(
    folder: Annotated[
        Path | None, typer.Option(help="Where scenarios are.", show_default="those of the harness")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List subjects, workloads, faults, checkers and scenarios, with a line each.

    What another package adds is followed by the package's name and version.
    """
    place = catalogue.folder() if folder is None else folder
    if not place.is_dir():
        raise ScenarioError(f"--folder: expected a folder of scenarios, got {str(folder)!r}")
    registries: list[Registry[Any]] = [subjects, workloads, faults, checkers]
    rows = [(r.kind, name, r.about(name)) for r in registries for name in r]
    rows += [("scenario", name, _title(path)) for name, path in catalogue.names(place)]
    if as_json:
        keys = ("kind", "name", "summary")
        found = [dict(zip(keys, row, strict=True)) for row in rows]
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    wide(Console(highlight=False)).print(table)


def _title(path: Path) -> str:
    """Return what a scenario is about; of a bad file, what is wrong with it."""
    try:
        return scenarios.load(path).title
    except ScenarioError as error:
        return f"cannot be loaded: {str(error).splitlines()[0]}"


def schema_() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    sys.stdout.write(json.dumps(schema.json_schema(), indent=2) + "\n")
