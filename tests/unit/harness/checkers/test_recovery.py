"""Servers that serve again, or do not, after the last heal."""

import pytest

from harness.checkers.recovery import Recovery
from harness.claim import Claim
from harness.common.verdict import Verdict
from worlds.histories.by_hand import history, note, op

PUT = op("put", 1, 0, 5)


@pytest.mark.parametrize(
    ("lost", "verdict", "told"),
    [
        ([], Verdict.VALID, []),
        ([4], Verdict.INVALID, ["Node 4 did not serve again: why."]),
        ([2, 4], Verdict.INVALID, ["Nodes 2, 4 did not serve again: why."]),
    ],
)
def test_each_server_that_stays_away_is_told(
    lost: list[int], verdict: Verdict, told: list[str]
) -> None:
    """One sentence for all of them, with what was seen."""
    run = history(PUT, note("recovered", 9, took_s=None if lost else 0.5, lost=lost, why="why"))
    result = Recovery().check(run, Claim())
    assert (result.verdict, result.reasons) == (verdict, ("server-lost",) if lost else ())
    assert [w.sentence for w in result.witnesses] == told


def test_it_needs_a_run_that_was_healed() -> None:
    """A run that ended before says nothing of it."""
    assert Recovery().unmet(history(PUT), Claim()) == "a run that was healed"
