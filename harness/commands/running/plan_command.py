"""`harness plan`: what a run of a scenario would inject, before anything is started."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness import results
from harness.report.terminal import wide
from harness.scenario import catalogue, loading
from harness.scenario import plan as plans
from harness.scenario.plan import Planned
from harness.scenario.schema import Scenario


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: harness plan scenarios/long/monkey.yaml --seed 7")(plan)


def plan(
    file: Annotated[
        Path, typer.Argument(help="A scenario file, or a name such as seed/leader-kill.")
    ],
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's own.")] = None,
) -> int:
    """Show each injection that is planned; end with 2 if some entry draws none."""
    loaded = loading.load(catalogue.find(file))
    loading.require_runnable(loaded)
    chosen = loaded if seed is None else loaded.model_copy(update={"seed": seed})
    planned = plans.make(chosen)
    console = wide(Console(highlight=False))
    console.print(_table(chosen, planned))
    undrawn = plans.undrawn(chosen, planned)
    for name in undrawn:
        console.print(f"{name}: nothing drawn with seed {chosen.seed}: a run would be unknown")
    return results.EXIT_UNKNOWN if undrawn else results.EXIT_AS_EXPECTED


def _table(chosen: Scenario, planned: Sequence[Planned]) -> Table:
    table = Table("id", "phase", "fault", "when", "for", box=None, pad_edge=False)
    for one in planned:
        phase = chosen.phases[one.phase].name or str(one.phase + 1)
        hold = "" if one.hold_s is None else f"{one.hold_s:g} s"
        table.add_row(str(one.id), phase, one.name, _when(one), hold)
    return table


def _when(one: Planned) -> str:
    """Return the time or trigger in the scenario's words."""
    if one.at_s is not None:
        return f"{one.at_s:g} s"
    ((key, value),) = (one.trigger or {}).items()
    if isinstance(value, dict):  # of a log or a failpoint
        value = ", ".join(f"{name} {word}" for name, word in value.items())
    later = f", {one.late_s:g} s later" if one.late_s else ""
    again = f", round {one.round + 1}" if one.round else ""
    return f"{key} {value}{later}{again}"
