"""The `stats` checker: figures that say how much a verdict is worth."""

from typing import Any

import pytest

from harness.checkers.stats import Stats
from harness.claim import AvailabilityBound, Claim
from harness.common.verdict import Verdict
from harness.history.columns import History
from worlds.histories.by_hand import history, note, op, queue_run

CLAIM = Claim()


def details(given: History) -> dict[str, Any]:
    """Return the figures of a history."""
    return dict(Stats().check(given, CLAIM).details)


def test_calls_are_counted_by_kind_and_outcome() -> None:
    """Each kind of call has its counts; a reserve of nothing is ok and empty."""
    given = history(
        op("put", 1, 10, 15),
        op("put", 2, 20, 25, outcome="fail"),
        op("put", 3, 30, None),
        op("reserve", 1, 40, 45, process=1),
        op("reserve", None, 50, 55, process=1),
    )
    calls = details(given)["calls"]
    assert list(calls) == ["put", "reserve"]
    assert [calls["put"][k] for k in ("ok", "fail", "info", "empty")] == [1, 1, 1, 0]
    assert [calls["reserve"][k] for k in ("ok", "fail", "info", "empty")] == [2, 0, 0, 1]


def test_latency_is_that_of_what_succeeded() -> None:
    """Failures and unknown outcomes do not count; milliseconds."""
    given = history(
        op("put", 1, 0, 2_000_000),
        op("put", 2, 10_000_000, 14_000_000),
        op("put", 3, 20_000_000, 90_000_000, outcome="fail"),
    )
    assert details(given)["calls"]["put"]["p50_ms"] == pytest.approx(3)
    assert details(given)["calls"]["put"]["max_ms"] == 4


def test_latency_is_told_to_the_microsecond() -> None:
    """Three digits after the point, for people."""
    given = history(op("put", 1, 0, 1_234_567), op("put", 2, 10_000_000, 12_345_678))
    put = details(given)["calls"]["put"]
    assert {name: put[name] for name in ("p50_ms", "max_ms")} == {"p50_ms": 1.79, "max_ms": 2.346}


def test_one_client_overlaps_nothing() -> None:
    """A producer and then a consumer, each alone, are no evidence of anything concurrent."""
    figures = details(queue_run(5))
    assert (figures["concurrency"], figures["overlapping"]) == (1, 0.0)


def test_touching_calls_overlap() -> None:
    """Intervals are closed: what begins in the nanosecond in which another ends is concurrent."""
    given = history(op("put", 1, 10, 20), op("put", 2, 20, 30, process=1), op("put", 3, 40, 50))
    figures = details(given)
    assert (figures["concurrency"], figures["overlapping"]) == (2, 0.6667)


def test_the_items_of_a_batch_do_not_overlap_each_other() -> None:
    """A batch is one call, whatever it carries."""
    figures = details(history(op("put", [1, 2, 3], 10, 20)))
    assert figures["calls"]["put"]["ok"] == 3
    assert (figures["concurrency"], figures["overlapping"]) == (1, 0.0)


def test_an_unknown_outcome_is_not_called_concurrent() -> None:
    """It is outstanding for ever; counting it would make every run look concurrent."""
    given = history(op("put", 1, 10, None), op("put", 2, 20, 30, process=1))
    assert details(given)["concurrency"] == 1


def test_a_return_shows_as_redelivered() -> None:
    """A delivery after a release is no fault, and counted."""
    given = history(
        op("put", 1, 10, 15),
        op("reserve", 1, 20, 25, process=1),
        op("release", 1, 30, 35, process=1),
        op("reserve", 1, 40, 45, process=2),
    )
    figures = details(given)
    assert (figures["redelivered"], figures["processes"]) == (1, 3)


@pytest.mark.parametrize("outcome", ["fail", "info"])
def test_a_kind_that_never_succeeded_is_unknown(outcome: str) -> None:
    """Puts that succeed prove nothing of reserves that never do."""
    given = history(op("put", 1, 10, 15), op("reserve", None, 20, 25, outcome=outcome, process=1))
    result = Stats().check(given, CLAIM)
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("never-succeeded",))


def test_where_availability_is_bounded_nothing_has_to_succeed() -> None:
    """A scenario that cuts the majority off says itself what has to fail."""
    claim = Claim(availability=AvailabilityBound(during="cut"))
    result = Stats().check(history(op("put", 1, 10, 15, outcome="fail")), claim)
    assert result.verdict is Verdict.VALID


def test_a_run_is_valid_by_its_figures() -> None:
    """Counting finds nothing wrong where each kind of call succeeded."""
    assert Stats().check(queue_run(3), CLAIM).verdict is Verdict.VALID


def test_nothing_called_is_not_judged() -> None:
    """Without a call there is nothing to count, and it says so."""
    assert Stats().unmet(history(), CLAIM) == "a call of a client"


def test_what_was_not_recorded_whole_is_counted() -> None:
    """Answers without a call, calls that another one followed, lines that were cut short."""
    orphan, first, second = op("put", 1, 10, 15)[1:], op("put", 2, 20, None), op("put", 3, 30, 35)
    cut = note("truncated-line", 40, file="worker-1.jsonl", bytes=12)
    figures = details(history(orphan, first, second, cut))
    assert (figures["unmatched"], figures["truncated_lines"]) == (2, 1)
