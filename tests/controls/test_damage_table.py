"""The table of damaged files: which scenarios it is made of, and how their runs are told."""

from pathlib import Path
from typing import Any

import pytest

from harness.scenario import loading
from proofs import damage_table
from proofs.damage_table import UNKNOWN, Cell, NoVerdictError

OF = (("snapshot", "down"), ("snapshot", "all"), ("epoch", "down"))


def results(
    *reasons: str, verdict: str = "invalid", lost: int = 0, **patterns: int
) -> dict[str, Any]:
    """Return what a judged run says."""
    named = {name.replace("_", "-"): count for name, count in patterns.items()}
    return {
        "verdict": verdict,
        "counts": {"lost": lost},
        "checks": [
            {"name": "server-logs", "reasons": [], "details": {"patterns": named}},
            {"name": "x", "reasons": list(reasons), "details": {}},
        ],
        "faults": [{"name": "corrupt", "outcome": "installed"}],
    }


def skipped(why: str) -> dict[str, Any]:
    """Return the part of a run that says why nothing was damaged."""
    return {"faults": [{"name": "corrupt", "outcome": "skipped", "evidence": {"why": why}}]}


def test_every_cell_is_a_scenario() -> None:
    """All load, with each kind of damage and each file, of servers that are down and that run."""
    cells = list(damage_table.cells(["3.9.6"]))
    for cell in cells:
        assert loading.of(cell.scenario()).faults_used
    assert len(set(cells)) == len(cells) == 37
    assert {cell.who for cell in cells} == set(damage_table.WHO)
    assert Cell("drop-record", "log", "running", "3.9.6") not in cells


@pytest.mark.parametrize(
    ("judged", "told"),
    [
        (results("server-lost", "replica-unread"), "refuses to start"),
        (results("lost", lost=3), "starts, 3 of 50 items lost, without a word"),
        (results("lost", lost=3, corrupt_log=1), "starts, 3 of 50 items lost"),
        (results("replicas-differ"), "starts, and differs for good, without a word"),
        (results("phantom"), "starts; phantom"),
        (results(verdict="valid"), "starts, and has all again"),
        (results(verdict="valid") | skipped("log.1: expected a log of 3 records"), "not possible"),
    ],
)
def test_what_a_run_shows(judged: dict[str, Any], told: str) -> None:
    """A server that lost something and says nothing is told apart from one that says so."""
    assert damage_table.outcome(judged, "down") == told


@pytest.mark.parametrize(
    "judged",
    [
        results("replica-unread", verdict="unknown"),
        results(verdict="valid") | {"faults": []},
        results("server-lost") | skipped("over the budget"),
    ],
)
def test_a_run_that_shows_nothing_is_no_cell(judged: dict[str, Any]) -> None:
    """What was not damaged, or not seen, is never told as what a release does."""
    with pytest.raises(NoVerdictError):
        damage_table.outcome(judged, "down")


def test_a_cell_that_was_not_run_says_so() -> None:
    """Each damage has a row, and each release a column."""
    found = {Cell("empty", "log", "all", "3.8.0"): "a", Cell("empty", "log", "all", "3.9.6"): "b"}
    head, _, *rows = damage_table.table(found).splitlines()
    assert head == "| damage | of | 3.9.6 | 3.9.3 | 3.8.0 |"
    assert f"| `empty` of log | all, down | b | {UNKNOWN} | a |" in rows
    assert len(rows) == 37
    assert sum(row.count(UNKNOWN) for row in rows) == 3 * 37 - 2


def test_what_was_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later cell leaves the earlier ones, and the page around the table, as they are."""
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    kept.write_text("[]")
    page.write_text(f"before\n{damage_table.BEGIN}a table before\n{damage_table.END}after\n")
    monkeypatch.setattr(damage_table, "FOUND", kept)
    monkeypatch.setattr(damage_table, "PAGE", page)
    one, other = Cell("empty", "log", "all", "3.8.0"), Cell("flip-bit", "log", "down", "3.9.6")
    for cell, told in ((one, "a"), (other, "b"), (other, "c")):
        damage_table.keep(cell, told)
    assert damage_table.known(kept.read_text()) == {one: "a", other: "c"}
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "a table before" not in page.read_text()


def test_the_page_has_what_was_measured() -> None:
    """The table in docs/faults.md is made of the kept cells, all of which still are cells."""
    found = damage_table.known(damage_table.FOUND.read_text())
    assert set(found) <= set(damage_table.cells())
    page = damage_table.PAGE.read_text()
    assert damage_table.written(page, found) == page


def test_a_snapshot_is_named() -> None:
    """What a follower does depends on whether an older snapshot is left."""
    judged = results("server-lost")
    judged["faults"][0]["evidence"] = {"damaged": [{"file": "snapshot.0"}]}
    told = [damage_table.which(judged, Cell("empty", file, who, "3.9.6")) for file, who in OF]
    assert told == [" (snapshot.0)", "", ""]
