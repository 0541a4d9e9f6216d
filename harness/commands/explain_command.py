"""`harness explain`: what a key, workload, fault, checker or subject means, from the schema."""

import inspect
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from harness.checkers import checkers, reasons
from harness.clients.subject import subjects
from harness.common.harness_errors import ScenarioError
from harness.common.settings.failpoint_list import FAILPOINTS, RELEASES, ServerPoint
from harness.common.settings.registry import Registry
from harness.faults import faults
from harness.report.terminal import wide
from harness.scenario import catalogue, reference
from harness.scenario.reference import Key
from harness.workloads import workloads

REGISTRIES: list[Registry[Any]] = [workloads, faults, checkers, subjects]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(epilog="Example: harness explain kill.wipe")(explain)


def explain(
    word: Annotated[
        str, typer.Argument(help="Such as put-all, kill, kill.wipe, cluster, seed or total-queue.")
    ],
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table of docs/.")] = False,
) -> None:
    """Say what a key, workload, fault, checker or subject means.

    Of a key: its type, default and unit, and a line of a scenario that has it.
    """
    if markdown:
        typer.echo(reference.markdown(_known(word, reference.parts())))
        return
    told = list(_told(word))
    if not told:
        _known(word, _words())
    console = wide(Console(highlight=False))
    for line in told:
        console.print(line, markup=False) if isinstance(line, str) else console.print(line)


def _told(word: str) -> Iterator[str | Table]:
    yield from _listed(word)
    for registry in REGISTRIES:
        if word in registry:
            yield f"{word}, a {registry.kind}"
            yield inspect.cleandoc(registry[word].__doc__ or "")
    if word in reference.parts():
        if word not in {*workloads, *faults}:
            yield f"{word}: {reference.meaning(word)}".removesuffix(": ")
        if found := reference.keys(word):
            yield _table(found)
        yield from _example(word)
    if word == "failpoint":
        yield from _points(FAILPOINTS.values())
    if word in FAILPOINTS:
        yield from _points([FAILPOINTS[word]])
    for key in _keys(word):
        yield f"{key.place}: {key.meaning}"
        yield f"  type: {key.type}; default: {key.default}" + (
            f"; unit: {key.unit}" if key.unit else ""
        )
        yield from _example(key.place)


def _listed(word: str) -> Iterator[str | Table]:
    """Yield what the errors of a scenario do not list: all names of a kind, all reasons."""
    if word == "because":
        yield f"reasons: {', '.join(reasons())}"
    for registry in REGISTRIES:
        if word in {registry.kind, f"{registry.kind}s"}:
            names = _grid(f"{registry.kind}s", "what it is")
            for name in registry:
                names.add_row(name, registry.about(name))
            yield names
            entry = f"{registry.kind} entry"
            if entry in reference.parts() and (beside := reference.keys(entry)):
                yield f"Beside a {registry.kind}, an entry may have:"
                yield _table(beside)


def _keys(word: str) -> list[Key]:
    """Return the keys of that name: the one with this place, else all that end so."""
    every = [key for part in reference.parts() for key in reference.keys(part)]
    exact = [key for key in every if key.place == word]
    return exact or [key for key in every if key.place.rpartition(".")[2] == word]


def _table(keys: list[Key]) -> Table:
    table = _grid("key", "type", "default", "unit", "meaning")
    for key in keys:
        table.add_row(key.place, key.type, key.default, key.unit, key.meaning)
    return table


def _grid(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _points(points: Iterable[ServerPoint]) -> Iterator[str]:
    """Yield each point of a server's code with the releases that have it and what it means."""
    for point in points:
        only = f" ({', '.join(sorted(point.releases))} only)" if point.releases != RELEASES else ""
        yield f"{point.name}{only}"
        yield f"  {point.here}"


def _example(place: str) -> Iterator[str]:
    """Yield a line of a scenario that has it, and where that stands."""
    owner, _, name = place.rpartition(".")
    owner = "" if owner in reference.SHARED else owner
    word = re.compile(rf"\b{re.escape(name)}:")
    beside = re.compile(rf"\b{re.escape(owner)}:") if owner else word
    for scenario, path in _plain_first(catalogue.names(catalogue.folder())):
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            if word.search(line) and beside.search(line):
                yield f"  example: {line.strip()}  ({scenario}, line {number})"
                return


def _plain_first(scenarios: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Put what is broken on purpose, or shows a server's bug, behind all others."""
    return sorted(scenarios, key=lambda each: each[0].startswith(("controls/", "findings/")))


def _words() -> list[str]:
    every = [key.place for part in reference.parts() for key in reference.keys(part)]
    kinds = [word for r in REGISTRIES for word in (r.kind, f"{r.kind}s", *r)]
    return sorted({*every, *reference.parts(), *FAILPOINTS, *kinds})


def _known(word: str, words: list[str]) -> str:
    """Return the word.

    Raises:
        ScenarioError: it is none of them; says which are like it.
    """
    if word in words:
        return word
    close = ", ".join(get_close_matches(word, words, n=5, cutoff=0.5)) or "see `harness list`"
    raise ScenarioError(f"explain: expected a key or a name ({close}), got {word!r}")
