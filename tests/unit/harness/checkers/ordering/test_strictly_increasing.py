"""The original's assertion, with the blind spots of its check_all."""

from typing import Any

import pytest

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from harness.judge import judge
from worlds.histories.by_hand import drained, ended, history, note, op, queue_run

CHECKER_NAME = "strictly-increasing"
CHECKER = checkers[CHECKER_NAME]()
KNOWN = "known outcomes up to where the order breaks"


def check(h: History) -> CheckResult:
    """Return the verdict on a history that meets the needs."""
    assert CHECKER.unmet(h, Claim()) is None
    return CHECKER.check(h, Claim())


def after(*parts: list[dict[str, Any]], first: int = 2) -> History:
    """Two puts, whatever is given, and then a delivery of `first` alone."""
    return history(
        op("put", 1, 0, 1),
        op("put", 2, 2, 3),
        *parts,
        op("reserve", first, 50, 55, process=9),
        drained(60, 70),
    )


@pytest.mark.parametrize(
    ("h", "verdict", "reasons"),
    [
        pytest.param(queue_run(9), "valid", (), id="in-order"),
        pytest.param(queue_run(9, lost=[1]), "invalid", ("missing",), id="lost-head"),
        pytest.param(queue_run(9, lost=[9]), "invalid", ("missing",), id="lost-tail"),
        pytest.param(queue_run(9, lost=[4]), "invalid", ("missing",), id="lost-middle"),
        pytest.param(queue_run(3, order=[1, 3, 2]), "invalid", ("out-of-order",), id="reordered"),
        pytest.param(queue_run(3, order=[0, 1, 2, 3]), "invalid", ("unexpected",), id="leftover"),
        pytest.param(queue_run(3, order=[1, 2, 3, 4]), "invalid", ("unexpected",), id="invented"),
        pytest.param(
            queue_run(9, lost=[9], drain=False), "unknown", ("still-waiting",), id="no-drain"
        ),
        pytest.param(history(), "unknown", ("nothing-acknowledged",), id="empty"),
        pytest.param(
            after(ended(9, 40, why="closed")), "invalid", ("missing",), id="session-closed"
        ),
        pytest.param(
            after(op("put", 3, 80, None)), "invalid", ("missing",), id="unanswered-after-the-break"
        ),
        pytest.param(
            history(
                op("put", 1, 0, 1),
                op("put", 2, 2, None),
                op("put", 3, 4, 5, process=2),
                op("reserve", 1, 10, 15, process=3),
                op("reserve", 3, 20, 25, process=3),
            ),
            "valid",
            (),
            id="a-put-that-perhaps-never-was",
        ),
        pytest.param(
            history(
                op("put", 1, 0, 1),
                op("put", 2, 2, None),
                op("put", 3, 4, 5, process=2),
                *[op("reserve", v, 10 * v, 10 * v + 5, process=3) for v in (1, 2, 3)],
            ),
            "valid",
            (),
            id="a-put-without-an-answer-that-was-delivered",
        ),
    ],
)
def test_verdict(h: History, verdict: str, reasons: tuple[str, ...]) -> None:
    """The next item is delivered next, to the last one; only an unknown outcome excuses."""
    result = check(h)
    assert (result.verdict.word, result.reasons) == (verdict, reasons)


@pytest.mark.parametrize(
    ("h", "needs"),
    [
        (
            history(op("put", 1, 0, 9), op("put", 2, 1, 3, process=1), op("put", 3, 10, 11)),
            "one producer at a time",
        ),
        (
            history(op("take", 1, 0, 9), op("take", 2, 1, 3, process=1), op("take", 3, 10, 11)),
            "one consumer at a time",
        ),
        (history(op("put", 1, 0, 1, priority=1), op("put", 2, 2, 3)), "one priority"),
        (after(op("reserve", None, 10, 20, process=1, outcome="info")), KNOWN),
        (after(ended(9, 40)), KNOWN),
    ],
    ids=["producers", "consumers", "priorities", "unanswered-before-the-break", "expired"],
)
def test_needs(h: History, needs: str) -> None:
    """Two clients at a time, two priorities, or an unknown outcome leave the order open."""
    assert CHECKER.unmet(h, Claim()) == needs


def test_what_came_back_late_is_left_to_the_exact_checkers() -> None:
    """An item that a call of unknown outcome held for a while makes no run unknown by itself."""
    late = history(
        op("put", 1, 0, 1),
        op("put", 2, 2, 3),
        op("reserve", None, 10, 20, process=1, outcome="info"),
        ended(1, 25),
        [
            line
            for at, value in ((30, 2), (50, 1))
            for line in op("reserve", value, at, at + 5, process=9)
            + op("done", value, at + 6, at + 8, process=9)
        ],
        drained(80, 90),
    )
    judgement = judge(late, Claim(level="stale"))
    assert judgement.verdict is Verdict.VALID, judgement.results
    assert {"name": CHECKER_NAME, "needs": KNOWN} in judgement.not_run
    assert judge(late, Claim(level="stale"), [CHECKER_NAME]).verdict is Verdict.UNKNOWN


def test_sentence() -> None:
    """The witness says in plain words which item came and which one was due."""
    witness = check(queue_run(3, order=[1, 3, 2])).witnesses[0]
    assert witness.sentence == "Item 3 was delivered where 2 was next; 2 only came later."
    assert [row["f"] for row in witness.operations] == ["put", "put", "reserve", "reserve"]


def test_it_tells_how_far_the_order_held() -> None:
    """The numbers of items, and how many came in order; the witness has both values."""
    result = check(queue_run(3, order=[1, 3, 2]))
    assert result.details == {"expected": 3, "delivered": 3, "in_order": 1}
    assert result.witnesses[0].values == (2, 3)
    (stranger,) = check(queue_run(2, order=[1, 9, 2])).witnesses
    assert (stranger.values, [row["f"] for row in stranger.operations]) == ((9,), ["reserve"])


@pytest.mark.parametrize(("aside", "word"), [(("dead",), "valid"), ((), "invalid")])
def test_what_is_put_aside_on_purpose_is_not_missing(aside: tuple[str, ...], word: str) -> None:
    """The last item is where the scenario allows it to be at the end."""
    tree = note("tree", 80, node=1, reachable=True, when="drained", places={"dead": [2]})
    h = history(
        op("put", 1, 0, 1),
        op("put", 2, 2, 3),
        op("reserve", 1, 10, 15, process=1, consumer="c1"),
        op("done", 1, 20, 25, process=1, consumer="c1"),
        drained(60, 70),
        tree,
    )
    result = CHECKER.check(h, Claim(put_aside=aside))
    assert (result.verdict is not Verdict.INVALID) == (word == "valid"), result
