"""Accounting, rule by rule."""

import pytest

from harness.checkers import checkers
from harness.checkers.evidence.account import account
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding
from harness.history.columns import History
from worlds.histories.by_hand import drained, ended, history, op, queue_run


def total(h: History) -> CheckResult:
    """Return what total-queue says."""
    return checkers["total-queue"]().check(h, Claim())


PUT_1 = op("put", 1, 0, 5)
GOT_1 = op("reserve", 1, 10, 15, process=1, consumer="c1")
DONE_1 = op("done", 1, 26, 28, process=2)
DRAINED = drained(30, 40)


@pytest.mark.parametrize(
    ("h", "verdict", "reasons"),
    [
        pytest.param(queue_run(5), "valid", (), id="all-delivered"),
        pytest.param(queue_run(5, lost=[1]), "invalid", ("lost",), id="lost-head"),
        pytest.param(queue_run(5, lost=[5]), "invalid", ("lost",), id="lost-tail"),
        pytest.param(queue_run(5, lost=[3]), "invalid", ("lost",), id="lost-middle"),
        pytest.param(queue_run(5, lost=[3], drain=False), "unknown", ("no-drain",), id="no-drain"),
        pytest.param(history(), "unknown", ("nothing-acknowledged",), id="empty"),
        pytest.param(
            history(PUT_1, op("reserve", 7, 10, 15, process=1)),
            "invalid",
            ("no-drain", "unexpected"),
            id="invented",
        ),
        pytest.param(
            history(op("put", 1, 0, 5, outcome="fail"), GOT_1),
            "invalid",
            ("nothing-acknowledged", "phantom"),
            id="phantom",
        ),
        pytest.param(
            history(op("put", 1, 0, 5, outcome="info"), GOT_1),
            "unknown",
            ("nothing-acknowledged",),
            id="recovered-alone",
        ),
        pytest.param(
            history(PUT_1, GOT_1, op("reserve", 1, 20, 25, process=2), DONE_1, DRAINED),
            "invalid",
            ("duplicated",),
            id="duplicate",
        ),
        pytest.param(
            history(
                PUT_1,
                GOT_1,
                op("release", 1, 16, 18, process=1),
                op("reserve", 1, 20, 25, process=2),
                DONE_1,
                DRAINED,
            ),
            "valid",
            (),
            id="released",
        ),
        pytest.param(
            history(
                PUT_1, GOT_1, ended(1, 18), op("reserve", 1, 20, 25, process=2), DONE_1, DRAINED
            ),
            "valid",
            (),
            id="session-ended",
        ),
        pytest.param(
            history(
                PUT_1,
                GOT_1,
                op("done", 1, 16, 17, process=1),
                ended(1, 18),
                op("reserve", 1, 20, 25, process=2),
            ),
            "invalid",
            ("duplicated",),
            id="done-then-session-ended",
        ),
        pytest.param(
            history(PUT_1, op("take", None, 10, None, process=1), drained(20, 30)),
            "unknown",
            ("maybe-taken",),
            id="taken-by-an-unanswered-call",
        ),
        pytest.param(
            history(
                PUT_1, op("put", 2, 6, 8), op("take", None, 10, None, process=1), drained(20, 30)
            ),
            "invalid",
            ("lost",),
            id="more-missing-than-unanswered-calls",
        ),
        pytest.param(
            history(drained(0, 3), op("put", 1, 5, 8)),
            "unknown",
            ("put-after-drain",),
            id="put-after-the-drain",
        ),
    ],
)
def test_verdict(h: History, verdict: str, reasons: tuple[str, ...]) -> None:
    """Each way to gain or to lose an item has its reason, and what excuses it excuses it."""
    result = total(h)
    assert (result.verdict.word, result.reasons) == (verdict, reasons)


def test_counts_of_a_clean_run() -> None:
    """A clean run of n items counts n everywhere and 0 wherever something is wrong."""
    assert account(queue_run(5)).counts() == {
        "attempted": 5,
        "acknowledged": 5,
        "delivered": 5,
        "lost": 0,
        "duplicated": 0,
        "unexpected": 0,
        "phantom": 0,
        "recovered": 0,
        "redelivered": 0,
        "completed": 5,
        "unfinished": 0,
    }


def test_lost_is_not_counted_without_a_drain() -> None:
    """Without a finished drain nobody can tell how many are lost."""
    assert account(queue_run(5, lost=[2], drain=False)).counts()["lost"] is None


def test_witness_names_the_smallest_first_and_counts_the_rest() -> None:
    """A result shows ten witnesses, smallest values first, and how many more there are."""
    result = total(queue_run(40, lost=range(1, 31)))
    assert [witness.values for witness in result.witnesses] == [(n,) for n in range(1, 11)]
    assert result.more_witnesses == 20
    assert result.findings == (Finding(reason="lost", count=30, values=tuple(range(1, 31))),)
    assert result.witnesses[0].operations[0]["f"] == "put"
    assert "1 was acknowledged" in result.witnesses[0].sentence
