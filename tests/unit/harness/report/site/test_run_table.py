"""The table of all runs."""

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest

from harness.report.site import run_table
from harness.report.site.run_table import COLUMNS, TableView
from harness.report.site.shelf import RunRow


def row(name: str, **more: Any) -> RunRow:
    """Return a judged run."""
    told = {"verdict": "valid", "as_expected": True, "expect": "valid"} | more
    return RunRow(name=name, **told)


ROWS = [
    row("seed/a/1", acknowledged=5, lost=0, releases=("3.9.6",)),
    row("seed/a/2", verdict="invalid", as_expected=False, lost=9, reasons=("lost",)),
    row("seed/b/3", verdict="unknown", as_expected=False, reasons=("no-drain",), lost=None),
    row("seed/b/4", acknowledged=7, lost=0, releases=("3.8.4", "3.9.6")),
]


def shown(query: dict[str, str]) -> list[str]:
    """Return the runs that the table of a query shows, in order."""
    text = run_table.table(ROWS, TableView.of(query))
    return re.findall(r'name="run" value="(.*?)"', text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["seed/b/4", "seed/b/3", "seed/a/2", "seed/a/1"]),
        ({"scenario": "seed/a"}, ["seed/a/2", "seed/a/1"]),
        ({"reason": "lost"}, ["seed/a/2"]),
        ({"release": "3.9.6"}, ["seed/b/4", "seed/a/1"]),
        ({"release": "3.9.6", "scenario": "seed/b"}, ["seed/b/4"]),
        ({"reason": "no such"}, []),
        ({"sort": "lost"}, ["seed/b/3", "seed/a/1", "seed/b/4", "seed/a/2"]),
        ({"sort": "-lost"}, ["seed/a/2", "seed/a/1", "seed/b/4", "seed/b/3"]),
        ({"sort": "verdict"}, ["seed/a/2", "seed/b/3", "seed/a/1", "seed/b/4"]),
        ({"sort": "nonsense"}, ["seed/b/4", "seed/b/3", "seed/a/2", "seed/a/1"]),
    ],
)
def test_filter_and_sort(query: dict[str, str], expected: list[str]) -> None:
    """What a URL says is shown, in the order that it says."""
    assert shown(query) == expected


@pytest.mark.parametrize("key", COLUMNS)
def test_every_heading_sorts_both_ways(key: str) -> None:
    """A click on a heading sorts by it, and a second one the other way around."""
    for view in (TableView.of({"sort": key}), TableView.of({"sort": f"-{key}"})):
        text = run_table.table(ROWS, view)
        assert text.count("aria-sort=") == 1
        assert f"sort={'' if view.sort.startswith('-') else '-'}{key}" in text or (
            key == "date" and not view.sort.startswith("-")  # newest first is the default
        )


def test_the_url_holds_the_view() -> None:
    """A view that went through its URL is the same."""
    view = TableView(verdict="invalid", scenario="a b&c", reason="x=1", sort="lost", page=3)
    assert TableView.of(dict(parse_qsl(view.query.removeprefix("?")))) == view


def test_many_runs_stand_on_several_pages() -> None:
    """A page has a bounded number of rows, all pages together have each run once."""
    rows = [row(f"a/{n:04}") for n in range(2 * run_table.ROWS_OF_A_PAGE + 1)]
    seen = [
        re.findall(r'name="run" value="(.*?)"', run_table.table(rows, TableView(page=number)))
        for number in (1, 2, 3)
    ]
    assert [len(names) for names in seen] == [run_table.ROWS_OF_A_PAGE] * 2 + [1]
    assert len({name for names in seen for name in names}) == len(rows)


@pytest.mark.parametrize("page", ["0", "-1", "99999", "9" * 5000, "x", "²"])
def test_a_page_that_is_not_there(page: str) -> None:
    """Whatever number a URL has, there is a page."""
    assert len(shown({"page": page})) == 4
