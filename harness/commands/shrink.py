"""`harness shrink`: from a run that failed to the smallest scenario that still fails."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from harness import shrink, store
from harness.commands.replay import judged
from harness.commands.trials import BudgetSpentError, Trials
from harness.errors import HistoryError
from harness.replay import Cause, Rate
from harness.report.terminal import Terminal
from harness.shrink import Data

FILE = "shrunk.yaml"
EXIT_RARER, EXIT_NOT_AGAIN = 1, 2


def register(app: typer.Typer) -> None:
    """Enter the command."""
    app.command(name="shrink", epilog="Example: harness shrink runs/latest --minutes 20")(shrink_)


def shrink_(
    run: Annotated[Path, typer.Argument(help="A run that failed, such as runs/latest.")],
    minutes: Annotated[float, typer.Option(min=0, help="For the search.")] = 30,
    tries: Annotated[int, typer.Option(min=1, help="Failures in a row that count.")] = 2,
    *,
    rate: Annotated[float, typer.Option(min=0, max=1, help="Wanted of the result.")] = 0.9,
    times: Annotated[int, typer.Option(min=1, help="Runs that measure the result.")] = 10,
    output: Annotated[Path | None, typer.Option(help="Instead of shrunk.yaml in RUN.")] = None,
) -> int:
    """Take out of a failing scenario all that the failure does not need, and write the rest."""
    folder = store.open_run(run)
    old, terminal = judged(folder), Terminal()
    cause = Cause.of(old).gravest
    if not cause.reasons:
        raise HistoryError(f"{run}: expected a run that failed, got {old['verdict']}")
    whole = shrink.spelled_out(
        yaml.safe_load(folder.scenario.read_text()), seed=old["seed"], because=min(cause.reasons)
    )
    terminal.say(f"{old['scenario']}: {shrink.size_of(whole)}; fails of {_reasons(cause)}")
    until_s = time.monotonic() + 60 * minutes
    trials = Trials(
        name=old["scenario"], cause=cause, tries=tries, until_s=until_s, terminal=terminal
    )
    _search(trials, whole)
    if not trials.kept:
        terminal.say("the failure did not show again, so nothing can be taken out for certain")
        return EXIT_NOT_AGAIN
    found, measured = _measured(trials, rate, times)
    target = output or folder.path / FILE
    target.write_text(_commented(found, whole, old, measured))
    terminal.say(f"{shrink.size_of(found)}, fails {measured}: {os.path.relpath(target)}")
    return 0 if measured.shown >= rate * times else EXIT_RARER


def _search(trials: Trials, whole: Data) -> None:
    try:
        if trials(whole):
            shrink.minimize(whole, trials)
    except BudgetSpentError:
        trials.terminal.say("the time is over; the smallest so far stands")


def _measured(trials: Trials, wanted: float, times: int) -> tuple[Data, Rate]:
    """Return the smallest of those kept that fails at the wanted rate; the first, if none does."""
    for candidate in reversed(trials.kept):
        measured = trials.rate(candidate, times)
        trials.terminal.say(f"{shrink.size_of(candidate)}: fails {measured}")
        if measured.shown >= wanted * times:
            break
    return candidate, measured


def _commented(found: Data, whole: Data, old: Mapping[str, Any], measured: Rate) -> str:
    """Return the scenario as a file that says where it comes from."""
    description = f"Shrunk from {old['scenario']}: {str(found['description']).strip()}"
    head = [
        f"Shrunk from {old['scenario']} (seed {old['seed']}) by `harness shrink`:",
        f"  {shrink.size_of(whole)}",
        f"  -> {shrink.size_of(found)}",
        f"Fails of {found['because']!r} in {measured} runs.",
    ]
    body = yaml.safe_dump(
        found | {"description": description},
        sort_keys=False,
        width=110,
        allow_unicode=True,
        default_flow_style=None,
    )
    return "".join(f"# {line}\n" for line in head) + body


def _reasons(cause: Cause) -> str:
    return ", ".join(sorted(cause.reasons))
