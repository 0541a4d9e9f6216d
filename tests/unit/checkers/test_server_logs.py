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
    value = {"patterns": found, "samples": samples, "digest_mismatches": mismatches}
    return note("server-log", 9, node=node, **value)


def judged(*logs: list[dict[str, Any]]) -> CheckResult:
    """Judge a history of these logs."""
    return ServerLogs().check(history(*logs), Claim())


@pytest.mark.parametrize(
    ("logs", "verdict", "reasons"),
    [
        pytest.param([log(1), log(2)], Verdict.VALID, (), id="nothing-unusual"),
        pytest.param(
            [log(1), log(2, 9)], Verdict.INVALID, ("digest-mismatch",), id="counted-not-logged"
        ),
        pytest.param(
            [log(digest_mismatch=1)], Verdict.INVALID, ("digest-mismatch",), id="logged-not-counted"
        ),
        pytest.param([log(null_pointer=1)], Verdict.INVALID, ("null-pointer",), id="null-pointer"),
        pytest.param([log(severe=3, corrupt_log=1)], Verdict.VALID, (), id="what-faults-cause"),
        pytest.param([log(1), log(2, None)], Verdict.UNKNOWN, ("server-silent",), id="silent"),
        pytest.param(
            [log(1, 1), log(2, None)],
            Verdict.INVALID,
            ("digest-mismatch", "server-silent"),
            id="mismatch-and-silent",
        ),
        pytest.param(
            [note("server-log", 9, node=1, patterns={}, samples=[])],
            Verdict.VALID,
            (),
            id="recorded-before-servers-were-asked",
        ),
    ],
)
def test_verdict_follows_logs_and_counters(
    logs: list[list[dict[str, Any]]], verdict: Verdict, reasons: tuple[str, ...]
) -> None:
    """Mismatches and null pointers are defects; what faults cause is counted and no more."""
    result = judged(*logs)
    assert (result.verdict, result.reasons) == (verdict, reasons)


def test_adds_up_the_patterns_and_quotes_the_log() -> None:
    """Details hold the sums; the witness names the server and its first line."""
    result = judged(log(1, 0, severe=1), log(2, 4, digest_mismatch=2, severe=1))
    assert result.details["patterns"] == {"digest-mismatch": 2, "severe": 2}
    assert result.details["digest_mismatches"] == {"1": 0, "2": 4}
    (witness,) = result.witnesses
    assert witness.sentence == (
        "node 2: 2 times digest-mismatch in its log, 4 digest mismatches counted; "
        "its log: WARN digest-mismatch"
    )


def test_needs_logs() -> None:
    """A run without the servers' logs is not judged by it."""
    assert ServerLogs().unmet(history(), Claim()) == "the servers' logs"
