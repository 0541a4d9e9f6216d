"""Two runs side by side: their plots, and what differs beyond noise."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import words
from harness.common.harness_errors import HistoryError, ScenarioError
from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.report import judged, page
from harness.report.charts import figure
from harness.report.site.layout import render
from harness.report.site.shelf import RunRow

MOST_HISTORY_BYTES = 100_000_000  # a larger one takes longer to read than a reader waits
# Two runs of the same scenario differ by this much without a cause.
_NOISE_S, _NOISE_SHARE, _NOISE = 0.5, 0.02, 0.25

Facts = list[tuple[str, list[str], bool]]
Differs = Callable[[Any, Any], bool]


def comparison_page(runs: Path, rows: Sequence[RunRow], names: Sequence[str]) -> str:
    """Return the page that shows two runs side by side.

    Raises:
        HistoryError: not two, or one of them is not there or was not judged.
    """
    if len(names) != 2:
        raise HistoryError(f"compare: expected two runs, got {len(names)}; tick two of the table")
    known = {row.name: row for row in rows}
    for name in names:
        if name not in known or not known[name].judged:
            raise HistoryError(f"compare: expected a judged run, got {name!r}")
    folders = [RunFolder(runs / name) for name in names]
    try:
        told = [judged.load(folder) for folder in folders]
    except ScenarioError as error:
        raise HistoryError(f"compare: {error}") from error
    pictures, missing = _pictures(folders, told)
    return render(
        "comparison.html.j2",
        runs=[known[name] for name in names],
        parts=list(_parts(folders, told)),
        difference=_difference(folders, names),
        data=page.script({"figures": pictures}),
        missing=missing,
        scripts=scripts(),
    )


def scripts() -> tuple[str, ...]:
    """Return the scripts of the page."""
    return (*page.chart_scripts(), page.resource("site/comparison.js"))


def _pictures(
    folders: Sequence[RunFolder], told: Sequence[Mapping[str, Any]]
) -> tuple[list[Any], str]:
    """Return both pictures, or none and why."""
    try:
        size = max(folder.history.stat().st_size for folder in folders)
        if size > MOST_HISTORY_BYTES:
            return [], f"a history has {size / 1e6:.0f} MB; its own report draws it"
        both = zip(folders, told, strict=True)
        return [figure.draw(History.load(f.history), results).data for f, results in both], ""
    except (OSError, HistoryError) as error:
        return [], str(error)


def _parts(
    folders: Sequence[RunFolder], told: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Facts]]:
    """Yield (heading, rows of (name, two cells, whether they differ))."""
    yield "Verdict", _facts([{k: r[k] for k in ("verdict", "expect", "seed")} for r in told])
    yield "Checks", _facts([_checks(results) for results in told])
    yield "Counts", _facts([r["counts"] for r in told])
    yield "Availability", _facts([r["availability"] for r in told], beyond_noise)
    yield "Faults", _facts([_faults(results) for results in told])
    yield "Longest outage of each fault", _facts([_outages(r) for r in told], beyond_noise)
    yield "Versions", _facts([dict(page.versions(folder)) for folder in folders], _versions_differ)


def beyond_noise(first: Any, second: Any) -> bool:
    """Tell whether two measured numbers differ by more than two runs of one scenario do.

    Shares differ by over 2 points, and times by over half a second and a quarter of the larger.
    """
    if None in (first, second):
        return first is not second
    away, larger = abs(first - second), max(first, second)
    return bool(away > (_NOISE_SHARE if larger <= 1 else max(_NOISE_S, _NOISE * larger)))


def _versions_differ(first: Any, second: Any) -> bool:
    """Compare texts as they are, and those that are numbers beyond noise."""
    try:
        return beyond_noise(float(first), float(second))
    except (TypeError, ValueError):
        return bool(first != second)


def _checks(results: Mapping[str, Any]) -> dict[str, str]:
    return {c["name"]: f"{c['verdict']} {' '.join(c['reasons'])}" for c in results["checks"]}


def _faults(results: Mapping[str, Any]) -> dict[str, str]:
    rows = enumerate(results["faults"], 1)
    return {f"{n}. {row['name']}": f"{words.fault(row)}: {row['outcome']}" for n, row in rows}


def _outages(results: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        f"{n}. {row['name']}": row.get("unavailable_s")
        for n, row in enumerate(results["faults"], 1)
    }


def _facts(both: Sequence[Mapping[str, Any]], differs: Differs | None = None) -> Facts:
    """Return a row per name that one of them has; without `differs`, texts are compared."""
    facts: Facts = []
    for name in dict.fromkeys(name for one in both for name in one):
        pair = [one.get(name) for one in both]
        cells = [_cell(value) for value in pair]
        facts.append((name, cells, differs(*pair) if differs else cells[0] != cells[1]))
    return facts


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{float(f'{value:.2g}'):g}"
    return words.NONE if value is None else str(value).strip()


def _difference(folders: Sequence[RunFolder], names: Sequence[str]) -> str:
    before, after = (page.text(folder.scenario, "scenario").splitlines() for folder in folders)
    lines = difflib.unified_diff(
        before, after, fromfile=names[0], tofile=names[1], n=2, lineterm=""
    )
    return "\n".join(lines)
