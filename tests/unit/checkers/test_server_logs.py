"""server-logs: what servers say of themselves that no fault explains."""

from typing import Any

import pytest

from harness.checkers import Claim
from harness.checkers.server_logs import ServerLogs
from harness.verdict import CheckResult, Verdict
from worlds.histories import history, note


def log(node: int = 1, mismatches: int | None = 0, **patterns: int) -> list[dict[str, Any]]:
    """Return what one server's log and counter say; `_` stands for `-` in a pattern's name."""
    found = {name.replace("_", "-"): count for name, count in patterns.items()}
    samples = [f"WARN {name}" for name in found]
    value: dict[str, Any] = {"patterns": found, "samples": samples}
    return note("server-log", 9, node=node, digest_mismatches=mismatches, **value)


def judged(*logs: list[dict[str, Any]]) -> CheckResult:
    """Judge a history of these logs."""
    return ServerLogs().check(history(*logs), Claim())


@pytest.mark.parametrize(
    ("logs", "verdict", "reasons"),
    [
        pytest.param([log(1), log(2)], Verdict.VALID, (), id="nothing-unusual"),
        pytest.param(
            [log(1), log(2, null_pointer=1)], Verdict.INVALID, ("null-pointer",), id="npe"
        ),
        pytest.param([log(severe=3, corrupt_log=1)], Verdict.VALID, (), id="what-faults-cause"),
        pytest.param([log(1, 1, digest_mismatch=2)], Verdict.VALID, (), id="one-mismatch"),
        pytest.param([log(1), log(2, None)], Verdict.VALID, (), id="silent"),
    ],
)
def test_verdict_follows_the_logs(
    logs: list[list[dict[str, Any]]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """A null pointer is a defect; what faults cause and mismatches are counted and no more."""
    result = judged(*logs)
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_adds_up_the_patterns_and_counts() -> None:
    """Details hold the sums over all servers, and each server's own count; null is not zero."""
    result = judged(log(1, None, severe=1), log(2, 4, digest_mismatch=2, severe=1))
    assert result.details["patterns"] == {"digest-mismatch": 2, "severe": 2}
    assert result.details["digest_mismatches"] == {"1": None, "2": 4}


def test_quotes_the_log() -> None:
    """The witness names the server and gives what it wrote."""
    (witness,) = judged(log(1), log(2, null_pointer=3)).witnesses
    assert witness.sentence == "node 2: 3 times null-pointer in its log: WARN null-pointer"


def test_needs_logs() -> None:
    """A run without the servers' logs is not judged by it."""
    assert ServerLogs().unmet(history(), Claim()) == "the servers' logs"
