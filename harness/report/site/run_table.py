"""All runs in a table, filtered and sorted as the URL says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from harness.report.site.layout import render
from harness.report.site.shelf import VERDICTS, RunRow

ROWS_OF_A_PAGE = 200
_NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """What of the table is shown: all that its URL says.

    Attributes:
        words: must be in the name; case does not matter.
        sort: a key of COLUMNS; a leading `-` turns the order around.
        page: from 1.
    """

    verdict: str = ""
    scenario: str = ""
    reason: str = ""
    release: str = ""
    words: str = ""
    sort: str = "-date"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "TableView":
        """Return the view of a URL; what it does not know, or cannot read, is the default."""
        known = {key: query[key] for key in (field.name for field in fields(cls)) if key in query}
        number = known.pop("page", "1")
        view = cls(**known, page=int(number) if number.isdecimal() and len(number) < 9 else 1)
        return view if view.sort.removeprefix("-") in COLUMNS else view.but(sort="-date")

    def but(self, **changes: Any) -> "TableView":
        """Return the same view with some changes, from its first page."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return TableView(**(told | {"page": 1} | changes))

    @property
    def query(self) -> str:
        """The query of its URL, without what is the default."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        default = {field.name: field.default for field in fields(self)}
        return "?" + urlencode({k: v for k, v in told.items() if v != default[k]})

    def shows(self, row: RunRow) -> bool:
        """Tell whether a run passes all filters."""
        return (
            self.verdict in {"", row.verdict}
            and self.scenario in {"", row.scenario}
            and self.words.lower() in row.name.lower()
            and (not self.reason or self.reason in row.reasons)
            and (not self.release or self.release in row.releases)
        )


COLUMNS: Mapping[str, tuple[str, Callable[[RunRow], Any]]] = {
    "verdict": ("verdict", lambda row: VERDICTS.index(row.verdict)),
    "scenario": ("run", lambda row: row.name),
    "date": ("began (UTC)", lambda row: row.stamp),
    "expected": ("expected", lambda row: (row.as_expected is not False, row.expect)),
    "reason": ("reason", lambda row: row.cause),
    "acknowledged": ("acknowledged", lambda row: _number(row.acknowledged)),
    "lost": ("lost", lambda row: _number(row.lost)),
    "faults": ("faults", lambda row: len(row.faults)),
    "gap": ("longest gap", lambda row: _number(row.gap_s)),
    "release": ("ZooKeeper", lambda row: row.releases),
}
"""By the name in the URL: the heading, and what the column is sorted by."""


def table(rows: Sequence[RunRow], view: TableView, *, scripts: tuple[str, ...] = ()) -> str:
    """Return the page of the runs that a view shows."""
    reverse, column = view.sort.startswith("-"), view.sort.removeprefix("-")
    shown = sorted(filter(view.shows, rows), key=COLUMNS[column][1], reverse=reverse)
    pages = max(1, -(-len(shown) // ROWS_OF_A_PAGE))
    number = min(max(1, view.page), pages)
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}
    return render(
        "runs.html.j2",
        view=view,
        rows=shown[(number - 1) * ROWS_OF_A_PAGE : number * ROWS_OF_A_PAGE],
        fitting=len(shown),
        total=len(rows),
        page_number=number,
        pages=pages,
        counts=[(name, count) for name, count in counts.items() if count],
        columns=[(key, title, _next_sort(key, view)) for key, (title, _) in COLUMNS.items()],
        column=column,
        reverse=reverse,
        scripts=scripts,
        filters=[
            ("scenario", _distinct(row.scenario for row in rows)),
            ("reason", _distinct(why for row in rows for why in row.reasons)),
            ("release", _distinct(release for row in rows for release in row.releases)),
        ],
    )


def _next_sort(key: str, view: TableView) -> str:
    """Return how a click on a heading sorts: numbers and dates first from the top."""
    ascending = key in {"scenario", "verdict", "expected", "reason"}
    first, second = (key, f"-{key}") if ascending else (f"-{key}", key)
    return second if view.sort == first else first


def _number(value: float | None) -> float:
    return _NEVER if value is None else value


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted({value for value in values if value})
