"""faults-bit: a run whose planned faults did not bite is unknown."""

from typing import Any

import pytest

from harness.checkers import Claim
from harness.checkers.faults_bit import FaultsBit
from harness.history import History
from harness.verdict import Verdict


def nemesis(id: int, name: str, phase: str, outcome: str, **evidence: Any) -> dict[str, Any]:
    """Make one of the nemesis's events."""
    value = {"id": id, "name": name, "phase": phase, "nodes": [1], "outcome": outcome}
    value["evidence"] = evidence
    return {"time_ns": id, "process": "nemesis", "type": "info", "f": "kill", "value": value}


@pytest.mark.parametrize(
    ("events", "verdict", "reasons"),
    [
        pytest.param([("a", "inject", "installed")], Verdict.VALID, (), id="installed"),
        pytest.param(
            [("a", "inject", "skipped"), ("a", "inject", "installed")],
            Verdict.VALID,
            (),
            id="installed-once",
        ),
        pytest.param(
            [("a", "inject", "installed"), ("b", "inject", "indeterminate")],
            Verdict.UNKNOWN,
            ("faults-did-not-bite",),
            id="one-entry-never",
        ),
        pytest.param(
            [("a", "inject", "installed"), ("a", "heal", "indeterminate")],
            Verdict.UNKNOWN,
            ("not-healed",),
            id="heal-failed",
        ),
    ],
)
def test_verdict_follows_the_outcomes(
    events: list[tuple[str, str, str]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """An entry that never was installed, or a heal that failed, makes the run unknown."""
    history = History.from_events(
        nemesis(number, *event, why="nobody led") for number, event in enumerate(events)
    )
    result = FaultsBit().check(history, Claim())
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_says_why_a_fault_never_bit() -> None:
    """The witness names the entry and the reason that was recorded."""
    history = History.from_events([nemesis(0, "cut", "inject", "skipped", why="nobody led")])
    (witness,) = FaultsBit().check(history, Claim()).witnesses
    assert witness.sentence == "the fault 'cut' was never installed; the last was nobody led"


def test_needs_faults() -> None:
    """A run without faults is not judged by it."""
    assert FaultsBit().unmet(History.from_events([]), Claim()) == "faults"
