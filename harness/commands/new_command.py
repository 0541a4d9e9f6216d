"""`harness new`: a commented scenario to start from."""

import re
from pathlib import Path
from typing import Annotated

import typer

from harness.common.harness_errors import ScenarioError
from harness.scenario import catalogue, reference
from harness.search import field_rates, finding

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

TITLE = """\
{years} years of a quorum of five, with what happens in the field at the rates of {table}.
A phase is a quarter of a year, with new clients. {per_year:g} events a year on average come one
after the other, and nothing of the time between them. docs/endurance.md runs it in pieces.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: harness new my.yaml && harness plan my.yaml")(new)


def text() -> str:
    """Return the template, with the meaning of keys as `harness explain` has it."""
    places = (reference.FILE, "fault entry")
    known = {key.place: key.meaning for place in places for key in reference.keys(place)}
    return re.sub(r"<([a-z_ .]+)>", lambda found: known[found[1]], TEMPLATE)


def years_text(rates: Path, *, years: int, seed: int) -> str:
    """Return a scenario that lives through so many years.

    Raises:
        ScenarioError: there is no such table, or something is wrong with it.
    """
    table = field_rates.load(rates)
    title = TITLE.format(years=years, table=rates.name, per_year=table.per_year)
    data = field_rates.scenario(table, years=years, seed=seed, title=title)
    made_by = f"made by `harness new --rates {rates.name} --years {years} --seed {seed}`"
    return finding.text(data, [f"{made_by}; change the table, not this file"])


def new(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    rates: Annotated[
        Path | None,
        typer.Option(
            help="Live through years instead, with the events of this table (docs/endurance.md)."
        ),
    ] = None,
    years: Annotated[int, typer.Option(min=1, max=50, help="How many, with --rates.")] = 10,
    seed: Annotated[int, typer.Option(help="What draws their events.")] = 1,
) -> None:
    """Write a commented scenario to start from, or one from a table of field rates."""
    if file.suffix not in catalogue.ENDINGS:
        raise ScenarioError(f"{file}: expected a name that ends with .yaml")
    written = text() if rates is None else years_text(rates, years=years, seed=seed)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(written)
    except OSError as error:
        raise ScenarioError(f"{file}: expected a new file, got: {error.strerror}") from error
    typer.echo(f"{file}: written; next: harness plan {file}, then harness run {file}")
