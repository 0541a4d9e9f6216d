"""`harness new`: a commented scenario to start from."""

import re
from pathlib import Path
from typing import Annotated

import typer

from harness.common.harness_errors import ScenarioError
from harness.scenario import catalogue, reference

TEMPLATE = """\
# What happens, in one sentence. `harness list` and the report show it.
description: A producer puts 300 items while the leader is killed twice; a consumer takes them.

# `harness explain KEY` says what a key means, `harness list` which workloads and faults there are.
seed: 7 # <seed>
cluster:
  nodes: 5
  # zookeeper: "3.9.3" # exactly this release, or the scenario is skipped; see docs/cluster.md
workload: # <workload>
  - put-all: {count: 300, rate_hz: 15}
  - check-all: {wait_s: 1} # takes until everything is accounted for
faults: # <faults>
  - kill: {target: leader, wipe: true} # with -9; its data is deleted before it starts again
    first_s: 2 # <fault entry.first_s>
    down_s: 5 # <fault entry.down_s>
    every_s: 10 # <fault entry.every_s>
    times: 2 # <fault entry.times>
recovery_s: 10 # <recovery_s>
expect: valid # or `invalid`, with `because:` the reason it must be found for
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: harness new my.yaml && harness plan my.yaml")(new)


def text() -> str:
    """Return the template, with the meaning of keys as `harness explain` has it."""
    places = (reference.FILE, "fault entry")
    known = {key.place: key.meaning for place in places for key in reference.keys(place)}
    return re.sub(r"<([a-z_ .]+)>", lambda found: known[found[1]], TEMPLATE)


def new(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
) -> None:
    """Write a commented scenario to start from."""
    if file.suffix not in catalogue.ENDINGS:
        raise ScenarioError(f"{file}: expected a name that ends with .yaml")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text())
    except OSError as error:
        raise ScenarioError(f"{file}: expected a new file, got: {error.strerror}") from error
    typer.echo(f"{file}: written; next: harness plan {file}, then harness run {file}")
