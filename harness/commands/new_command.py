"""`harness new`: a commented scenario to start from."""

from pathlib import Path
from typing import Annotated

import typer

from harness.common.harness_errors import ScenarioError
from harness.scenario import catalogue

TEMPLATE = """\
# What happens, in one sentence. `harness list` and the report show it.
description: A producer puts 300 items while the leader is killed twice; a consumer takes them.

seed: 7 # everything random comes from it; `harness run FILE --seed N` takes another
cluster:
  nodes: 5
  # zookeeper: "3.9.3" # exactly this release, or the scenario is skipped; see docs/cluster.md
workload: # `harness list` shows all; each runs in processes of its own
  - put-all: {count: 300, rate_hz: 15}
  - check-all: {wait_s: 1} # takes until everything is accounted for
faults: # `harness list` shows all; `harness plan FILE` shows when each would happen
  - kill: {target: leader, wipe: true} # with -9; its data is deleted before it starts again
    first_s: 2 # after the first calls of the clients
    down_s: 5
    every_s: 10
    times: 2
recovery_s: 10 # a bound on how long clients may be without an answer after a fault
expect: valid # or `invalid`, with `because:` the reason it must be found for
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: harness new my.yaml && harness plan my.yaml")(new)


def new(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
) -> None:
    """Write a commented scenario to start from."""
    if file.suffix not in catalogue.ENDINGS:
        raise ScenarioError(f"{file}: expected a name that ends with .yaml")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE)
    except OSError as error:
        raise ScenarioError(f"{file}: expected a new file, got: {error.strerror}") from error
    typer.echo(f"{file}: written; next: harness plan {file}, then harness run {file}")
