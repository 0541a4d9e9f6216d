"""Three values, and which one dominates."""

import pytest

from harness.common.verdict import CheckResult, Finding, Verdict, Witness

VALID, UNKNOWN, INVALID = Verdict.VALID, Verdict.UNKNOWN, Verdict.INVALID


@pytest.mark.parametrize(
    ("verdicts", "merged"),
    [
        ([VALID, VALID], VALID),
        ([VALID, UNKNOWN], UNKNOWN),
        ([UNKNOWN, INVALID, VALID], INVALID),
        ([], UNKNOWN),
    ],
)
def test_the_worst_dominates(verdicts: list[Verdict], merged: Verdict) -> None:
    """Invalid over unknown over valid; of nothing, unknown, since nothing was shown."""
    assert Verdict.merge(verdicts) is merged


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_is_no_truth_value(verdict: Verdict) -> None:
    """`if verdict:` is an error, because each reading of it would be wrong for one value."""
    with pytest.raises(TypeError, match="three values"):
        bool(verdict)


def test_words_are_those_of_the_files() -> None:
    """Scenarios and results.json say valid, unknown, invalid."""
    assert [v.word for v in Verdict] == ["valid", "unknown", "invalid"]


def test_a_result_as_json() -> None:
    """A result has the keys that results.json documents, witnesses with their operations."""
    result = CheckResult(
        name="total-queue",
        verdict=INVALID,
        reasons=("lost",),
        details={"lost": [3]},
        witnesses=(Witness(sentence="3 was lost", operations=({"index": 1},), values=(3,)),),
        more_witnesses=2,
        findings=(Finding(reason="lost", count=3, values=(3, 4, 5)),),
    )
    assert result.as_json() == {
        "name": "total-queue",
        "verdict": "invalid",
        "reasons": ["lost"],
        "details": {"lost": [3]},
        "witnesses": [{"sentence": "3 was lost", "operations": [{"index": 1}], "values": [3]}],
        "more_witnesses": 2,
        "findings": [{"reason": "lost", "count": 3, "items": [[3, 5]]}],
    }
