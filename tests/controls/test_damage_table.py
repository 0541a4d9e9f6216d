"""The table of damaged files: which scenarios it is made of, and how their runs are told."""

from typing import Any

import pytest

from harness.scenario import loading
from proofs import damage_table
from proofs.damage_table import Cell


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
        (results(verdict="valid") | {"faults": []}, "not possible"),
    ],
)
def test_what_a_run_shows(judged: dict[str, Any], told: str) -> None:
    """A server that lost something and says nothing is told apart from one that says so."""
    assert damage_table.outcome(judged, "down") == told


def test_the_table_has_a_column_for_each_release() -> None:
    """A cell that was not run is empty."""
    found = {Cell("empty", "log", "all", "3.8.0"): "a", Cell("empty", "log", "all", "3.9.6"): "b"}
    found[Cell("empty", "epoch", "down", "3.9.6")] = "c"
    assert damage_table.table(found).splitlines() == [
        "| damage | of | 3.8.0 | 3.9.6 |",
        "|---|---|---|---|",
        "| `empty` of log | all, down | a | b |",
        "| `empty` of epoch | a follower, down |  | c |",
    ]
