"""`harness endurance`: what several runs show together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as Rows

from harness import results as results_json
from harness.common import run_folder
from harness.common.run_folder import RunFolder
from harness.report import endurance as sums
from harness.report import judged
from harness.report.endurance import Endurance
from harness.report.terminal import wide
from harness.scenario import catalogue
from harness.search import field_rates
from harness.words import counted

TABLE = Path("long/field-rates.toml")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: harness endurance runs/long/ten-years-*-of-10/*")(endurance)


def endurance(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.", metavar="RUN...")],
    rates: Annotated[
        Path | None,
        typer.Option(
            help="A table of field rates; events are matched by the names of faults. "
            "By default that of long/ten-years."
        ),
    ] = None,
) -> int:
    """Add up what runs lost, and how long puts were down, by cause and a year.

    A run that broke off has no verdict: it is named, and left out.
    """
    table = field_rates.load(catalogue.folder() / TABLE if rates is None else rates)
    # A run that is named twice, once as `latest`, counts once.
    names = {run_folder.open_run(run).path: str(run) for run in runs}
    folders = {name: RunFolder(path) for path, name in names.items()}
    unjudged = [run for run, folder in folders.items() if not folder.results.exists()]
    counting = folders.keys() - unjudged or unjudged  # without any, `load` says what is missing
    found = {run: judged.load(folder) for run, folder in folders.items() if run in counting}
    total = sums.add_up(found, table)
    console = wide(Console(highlight=False))
    for line in _told(total, table.per_year):
        console.print(line)
    for run in unjudged:
        console.print(f"left out, since it has no verdict (`harness check` gives one): {run}")
    console.print(_rows(total))
    if total.missing:
        told = ", ".join(f"{event} ({rate:g} a year)" for event, rate in total.missing.items())
        console.print(f"not in these runs, and not in the downtime: {told}")
    if total.counts["lost"] or total.counts["duplicated"] or total.not_as_expected:
        return results_json.EXIT_NOT_AS_EXPECTED
    return results_json.EXIT_AS_EXPECTED


def _told(total: Endurance, per_year: float) -> Iterator[str]:
    counts = total.counts
    yield (
        f"{counted(total.runs, 'run')}, {counted(total.faults, 'fault')} installed, "
        f"{counts['acknowledged']:,} puts acknowledged"
    )
    yield from (f"not as expected: {run}" for run in total.not_as_expected)
    one_in = total.one_in
    bound = "" if one_in is None else f"; 95 % sure: fewer than 1 in {one_in:,.0f} (3/n)"
    yield f"{counts['lost']} lost, {counts['duplicated']} duplicated{bound}"
    low_s, high_s = total.between_s
    yield (
        f"{total.years:.1f} years at {per_year:g} events a year: puts are down "
        f"{total.downtime_s:.0f} s a year (95 %: {low_s:.0f} to {high_s:.0f}), "
        f"available {total.available:.5%}"
    )
    if (longest := total.longest) is not None:
        yield (
            f"longest outage: {longest.length_s:.1f} s, after {longest.cause}, at "
            f"{longest.begin_s:.1f} s of {longest.run}"
        )
    if total.without_cause_s:
        yield f"before the first fault: {total.without_cause_s:.1f} s, not counted"


def _rows(total: Endurance) -> Rows:
    rows = Rows(box=None, pad_edge=False)
    rows.add_column("event")
    for heading in ("faults", "a year", "mean s", "most s", "down s a year"):
        rows.add_column(heading, justify="right")
    for event in total.events:
        rows.add_row(
            event.name,
            str(len(event.outages_s)),
            "" if event.per_year is None else f"{event.per_year:g}",
            f"{event.mean_s:.2f}",
            f"{max(event.outages_s):.1f}",
            "" if event.per_year is None else f"{event.a_year_s:.1f}",
        )
    return rows
