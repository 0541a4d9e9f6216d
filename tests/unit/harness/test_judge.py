"""Which checkers run, how verdicts merge, and when a run is as expected."""

from typing import Any, Literal, Never

import pytest

from harness.checkers import checkers
from harness.claim import Claim
from harness.common.harness_errors import ScenarioError
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.judge import as_expected, judge
from worlds.histories.by_hand import drained, ended_run, history, op, queue_events, queue_run


def test_a_clean_run_is_valid() -> None:
    """Everything whose needs are met runs, and a clean run is valid."""
    judgement = judge(queue_run(9), Claim(level="snapshot"))
    assert judgement.verdict is Verdict.VALID, judgement.results
    assert {r.name for r in judgement.results} >= {"total-queue", "strictly-increasing"}


def test_every_checker_runs_or_says_why_not() -> None:
    """No checker is left out silently."""
    judgement = judge(queue_run(9), Claim(level="snapshot"))
    names = {r.name for r in judgement.results} | {entry["name"] for entry in judgement.not_run}
    assert names == set(checkers)
    assert all(entry["needs"] for entry in judgement.not_run)


def test_a_line_that_is_gone_is_told_by_every_checker() -> None:
    """Whatever was found or not, the missing line may explain it; the place is given."""
    cut = queue_run(9)
    cut.gap_at = 3
    judgement = judge(cut, Claim(level="snapshot"))
    assert judgement.verdict is Verdict.UNKNOWN
    told = [each for each in judgement.results if "missing-lines" in each.reasons]
    assert {each.name for each in told} >= {"total-queue", "ownership"}
    assert {each.details["missing_before_line"] for each in told} == {3}


def test_each_result_carries_its_checkers_name() -> None:
    """Of a whole run too, in which the checkers of servers have something to look at."""
    judgement = judge(history(ended_run(queue_events(9))), Claim(level="snapshot"))
    ran = {result.name for result in judgement.results}
    assert ran | {entry["name"] for entry in judgement.not_run} == set(checkers)
    assert ran >= {"server-logs", "replicas", "recovery"}


def test_an_empty_history_is_unknown() -> None:
    """Nothing acknowledged shows nothing."""
    assert judge(history(), Claim(level="snapshot")).verdict is Verdict.UNKNOWN


def test_one_invalid_result_decides() -> None:
    """Invalid dominates unknown and valid."""
    judgement = judge(queue_run(9, lost=[9]), Claim(level="snapshot"))
    assert judgement.verdict is Verdict.INVALID
    assert judgement.counts["lost"] == 1


def test_a_named_checker_that_cannot_run_is_unknown() -> None:
    """A checker that the scenario names may not stand aside."""
    two = history(
        op("put", 1, 0, 9), op("put", 2, 1, 3, process=1), op("put", 3, 10, 11), drained(20, 30)
    )
    judgement = judge(two, Claim(level="snapshot"), checkers=["strictly-increasing"])
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.results[0].reasons == ("unmet",)
    assert judgement.results[0].details == {"needs": "one producer at a time"}
    assert judgement.results[0].witnesses[0].sentence == (
        "The checker needs one producer at a time."
    )


def test_an_unknown_name_is_an_error() -> None:
    """A misspelt checker is refused with the names there are."""
    with pytest.raises(ScenarioError, match=r"expected one of .*total-queue"):
        judge(history(), Claim(level="snapshot"), checkers=["total-que"])


def test_a_checker_that_throws_is_unknown_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in a checker is neither a pass nor the end of the others."""

    def explode(*_: object) -> Never:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(checkers["strictly-increasing"], "check", explode)
    judgement = judge(queue_run(3), Claim(level="snapshot"))
    result = next(r for r in judgement.results if r.name == "strictly-increasing")
    assert result.verdict is Verdict.UNKNOWN
    assert result.reasons == ("checker-failed",)
    assert result.details == {"error": "ZeroDivisionError: planted"}
    assert [w.sentence for w in result.witnesses] == [
        "The checker failed: ZeroDivisionError: planted."
    ]
    assert judgement.verdict is Verdict.UNKNOWN


def test_malformed_lines_leave_nothing_certain() -> None:
    """A line that cannot be read may be the one that explains a loss, or the one that shows it."""
    for run in (queue_run(9), queue_run(9, lost=[9])):
        run.malformed_lines, run.malformed_at = 1, [7]
        judgement = judge(run, Claim(level="snapshot"), checkers=["total-queue"])
        assert judgement.verdict is Verdict.UNKNOWN
        assert "malformed-lines" in judgement.results[0].reasons
        assert judgement.results[0].details["malformed_at"] == [7]


@pytest.mark.parametrize(
    ("run", "expect", "because", "answer"),
    [
        (queue_run(5), "valid", None, True),
        (queue_run(5), "invalid", "lost", False),
        (queue_run(5, lost=[2]), "invalid", "lost", True),
        (queue_run(5, lost=[2]), "invalid", "duplicated", False),
        (queue_run(5, lost=[2]), "invalid", None, True),
        (queue_run(5, lost=[2]), "valid", None, False),
        (queue_run(5, lost=[5], drain=False), "invalid", "lost", False),
        (history(), "valid", None, False),
    ],
)
def test_as_expected_compares_the_reason(
    run: History, expect: Literal["valid", "invalid"], because: str | None, *, answer: bool
) -> None:
    """A control that is found invalid for another reason was not found."""
    judgement = judge(run, Claim(level="snapshot"), checkers=["total-queue"])
    assert as_expected(judgement, expect, because) is answer


def test_judging_twice_gives_the_same() -> None:
    """A judgement depends on the history alone."""
    first, second = (judge(queue_run(9, lost=[3, 4]), Claim(level="snapshot")) for _ in range(2))
    assert [r.as_json() for r in first.results] == [r.as_json() for r in second.results]


def test_calls_of_one_process_that_overlap_leave_nothing_certain() -> None:
    """Which answer belongs to which call is not known, so neither is which came first."""
    one, other = op("put", 1, 0, 30), op("put", 2, 10, 40)
    mixed = history(one, other, drained(50, 60))
    assert (mixed.unmatched, mixed.overlapping) == (2, [0])
    result = judge(mixed, Claim(level="snapshot"), checkers=["total-queue"]).results[0]
    assert (result.verdict, result.details["overlapping_calls"]) == (Verdict.UNKNOWN, [0])
    assert "overlapping-calls" in result.reasons


def test_an_answer_that_is_missing_is_no_overlap() -> None:
    """A process whose call was never answered goes on; that alone is no doubt."""
    given = history(op("put", 1, 0, None), op("put", 2, 10, 40), drained(50, 60))
    assert (given.unmatched, given.overlapping) == (1, [])


@pytest.mark.parametrize("deliveries", [1, 2])
def test_a_value_that_was_put_twice_leaves_nothing_certain(deliveries: int) -> None:
    """Two items of one name hide a loss, and both of them delivered are no duplicate."""
    puts = [op("put", 1, 0, 5), op("put", 1, 6, 8, process=2)]
    taken = [op("take", 1, 10 * n, 10 * n + 5, process=1) for n in range(1, deliveries + 1)]
    twice = history(*puts, *taken, drained(50, 60))
    (result,) = judge(twice, Claim(level="unordered"), checkers=["total-queue"]).results
    assert (result.verdict, result.details["put_twice"]) == (Verdict.UNKNOWN, [1])
    assert "put-twice" in result.reasons
    again = history(op("put", 1, 0, 5, outcome="fail"), puts[1], taken[0], drained(50, 60))
    (right,) = judge(again, Claim(level="unordered"), checkers=["total-queue"]).results
    assert right.verdict is Verdict.VALID


@pytest.mark.parametrize(
    "puts",
    [
        [op("put", 1, 100, 5), op("put", 2, 110, 120)],
        [op("put", 1, 100, 105), op("put", 2, 6, 8)],
        [op("put", 1, 100, None), op("put", 2, 6, 8)],
    ],
    ids=["a call", "two calls", "after a call without an answer"],
)
def test_times_that_go_back_leave_nothing_certain(puts: list[list[dict[str, Any]]]) -> None:
    """A process's own calls are one after the other, so a clock that differs orders nothing."""
    taken = [*op("take", 1, 130, 135, process=1), *op("take", 2, 140, 145, process=1)]
    lines = [line for put in puts for line in put] + taken + drained(150, 160)
    given = History.from_events(lines)
    judgement = judge(given, Claim(level="linearizable"))
    assert judgement.verdict is Verdict.UNKNOWN
    told = {each.name: each for each in judgement.results if "times-went-back" in each.reasons}
    assert {"fifo", "ownership", "total-queue"} <= {*told}
    assert told["fifo"].details["times_went_back"] == [0]


def grouped(*more: list[dict[str, Any]]) -> History:
    """Return a right run of two groups: 2 waits for 1, of its group, and 3 is taken before it."""
    puts = [
        op("put", value, 10 * value, 10 * value + 5, group=group)
        for value, group in ((1, "g"), (2, "g"), (3, "h"))
    ]
    taken = [
        op("reserve", 1, 50, 55, process=1),
        op("reserve", 3, 60, 65, process=2),
        op("done", 1, 70, 75, process=1),
        op("done", 3, 76, 78, process=2),
        op("reserve", 2, 80, 85, process=1),
        op("done", 2, 90, 95, process=1),
    ]
    return history(*puts, *taken, *more, drained(100, 110))


def test_a_claim_of_order_beside_groups_is_neither_kept_nor_broken() -> None:
    """An item of a held group is passed over; that is no violation, and no order was shown."""
    assert judge(grouped(), Claim(level="unordered")).verdict is Verdict.VALID
    judgement = judge(grouped(), Claim(level="snapshot"))
    assert judgement.verdict is Verdict.UNKNOWN
    told = {each.name for each in judgement.results if "order-beside-groups" in each.reasons}
    assert told >= {"priority-fifo", "producer-order"}


def test_a_loss_beside_groups_is_a_loss() -> None:
    """Only what is said of order is doubted."""
    lost = op("put", 4, 96, 98, group="h")
    judgement = judge(grouped(lost), Claim(level="snapshot"))
    assert judgement.verdict is Verdict.INVALID
    assert judgement.counts["lost"] == 1
