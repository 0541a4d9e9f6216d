"""All runs in a table, and two of them side by side, as pages for `harness serve`."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.common.harness_errors import HistoryError, ScenarioError
from harness.common.run_folder import RunFolder
from harness.report import judged, page

NOT_JUDGED, DAMAGED = "not judged", "damaged"
VERDICTS = ("invalid", "unknown", "valid", DAMAGED, NOT_JUDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of the table.

    Attributes:
        name: its folder below the folder of all runs.
        results: its results.json; empty if it was not judged, or that cannot be read.
        damaged: whether there is one that cannot be read.
        report: whether it has a report.html.
    """

    name: str
    results: Mapping[str, Any]
    report: bool
    damaged: bool = False

    @property
    def verdict(self) -> str:
        """The verdict, or why there is none."""
        return DAMAGED if self.damaged else str(self.results.get("verdict", NOT_JUDGED))

    @property
    def stamp(self) -> str:
        """The time of its start, as its folder has it; newer ones sort later."""
        return self.name.rpartition("/")[2]


def find(runs: Path) -> list[RunRow]:
    """Return all runs below a folder, newest first."""
    folders = {file.parent for file in runs.rglob("scenario.yaml") if file.is_file()}
    rows = [_row(runs, folder) for folder in folders if not folder.is_symlink()]
    return sorted(rows, key=lambda row: (row.stamp, row.name), reverse=True)


def table(rows: Sequence[RunRow], *, verdict: str = "", words: str = "") -> str:
    """Return the page of all runs, or of those with one verdict or with words in their names."""
    shown = [r for r in rows if verdict in {"", r.verdict} and words.lower() in r.name.lower()]
    counts = [(name, sum(row.verdict == name for row in rows)) for name in VERDICTS]
    return page.template("index.html.j2").render(
        rows=shown, counts=counts, total=len(rows), verdict=verdict, query=words, css=_css()
    )


def compare(runs: Path, names: Sequence[str]) -> str:
    """Return the page that shows two runs side by side.

    Raises:
        HistoryError: not two, or one of them is not there or was not judged.
    """
    if len(names) != 2:
        raise HistoryError(f"compare: expected two runs, got {len(names)}; tick two of the table")
    known = {row.name: row for row in find(runs)}
    for name in names:
        if name not in known or not known[name].results:
            raise HistoryError(f"compare: expected a judged run, got {name!r}")
    chosen = [known[name] for name in names]
    return page.template("compare.html.j2").render(
        runs=chosen,
        parts=list(_parts(runs, chosen)),
        difference=_difference(runs, names),
        css=_css(),
    )


def complaint(text: str) -> str:
    """Return a page that says what was wrong with a request."""
    return page.template("complaint.html.j2").render(text=text, css=_css())


def _row(runs: Path, folder: Path) -> RunRow:
    run = RunFolder(folder)
    report, damaged = (folder / page.FILE).is_file(), False
    try:
        results = judged.load_if_any(run) or {}
    except ScenarioError:
        results, damaged = {}, True
    name = folder.relative_to(runs).as_posix()
    return RunRow(name=name, results=results, report=report, damaged=damaged)


def _parts(
    runs: Path, chosen: Sequence[RunRow]
) -> Iterator[tuple[str, list[tuple[str, list[str], bool]]]]:
    """Yield (heading, rows of (name, two cells, whether they differ))."""
    told = [row.results for row in chosen]
    yield "Verdict", _facts([{k: r[k] for k in ("verdict", "expect", "seed")} for r in told])
    yield (
        "Checks",
        _facts(
            [
                {c["name"]: f"{c['verdict']} {' '.join(c['reasons'])}" for c in r["checks"]}
                for r in told
            ]
        ),
    )
    yield "Counts", _facts([r["counts"] for r in told])
    yield "Availability", _facts([r["availability"] for r in told])
    yield "Faults", _facts([_faults(r) for r in told])
    yield "Versions", _facts([dict(page.versions(RunFolder(runs / row.name))) for row in chosen])


def _faults(results: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{number + 1}. {fault['name']}": f"{fault['outcome']} on {fault['nodes']} "
        f"at {fault['inject_ns'] / 1e9:.1f} s"
        for number, fault in enumerate(results["faults"])
    }


def _facts(both: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str], bool]]:
    names = dict.fromkeys(name for one in both for name in one)
    cells = [(name, [_cell(one.get(name)) for one in both]) for name in names]
    return [(name, pair, len(set(pair)) > 1) for name, pair in cells]


def _cell(value: Any) -> str:
    return "-" if value is None else str(value).strip()


def _difference(runs: Path, names: Sequence[str]) -> str:
    first, second = names
    before, after = (
        page.text(RunFolder(runs / name).scenario, "scenario").splitlines() for name in names
    )
    lines = difflib.unified_diff(before, after, fromfile=first, tofile=second, n=2, lineterm="")
    return "\n".join(lines)


def _css() -> str:
    return page.resource("report.css") + page.resource("index.css")
