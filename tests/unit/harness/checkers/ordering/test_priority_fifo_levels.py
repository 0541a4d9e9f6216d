"""What each claim of order promises: of two items, who may be passed over, and when."""

from typing import Any

import pytest

from harness.checkers.ordering.priority_fifo import PriorityFifo
from harness.claim import Claim, Level
from harness.common.verdict import CheckResult, Verdict
from worlds.histories.by_hand import ended, history, op, returned

Lines = list[dict[str, Any]]
URGENT, NORMAL = 1, 100


def put(value: int, begin_ns: int, priority: int) -> Lines:
    """Return a put of two nanoseconds."""
    return op("put", value, begin_ns, begin_ns + 2, priority=priority, process=f"put {value}")


def reserve(value: int | None, begin_ns: int, end_ns: int, process: int) -> Lines:
    """Return a reserve of a consumer of its own."""
    return op("reserve", value, begin_ns, end_ns, process=process, consumer=f"c{process}")


RELAY = [
    *put(1, 0, URGENT),
    *put(3, 0, NORMAL),
    *reserve(3, 12, 45, 1),
    *put(2, 13, URGENT),
    *reserve(1, 20, 25, 2),
    *reserve(2, 50, 55, 3),
]
PASSED_OVER = [*put(1, 0, URGENT), *put(3, 0, NORMAL), *reserve(3, 10, 15, 1)]
OVERTAKEN = [*put(1, 0, NORMAL), *put(3, 5, NORMAL), *reserve(3, 10, 15, 1)]
NOTHING = [*put(1, 0, NORMAL), *reserve(None, 10, 15, 1)]


def judged(lines: Lines, order: Level) -> CheckResult:
    """Return what the checker says at the level of a claim."""
    return PriorityFifo().check(history(lines), Claim(level=order))


@pytest.mark.parametrize(
    ("lines", "reason", "levels"),
    [
        (RELAY, "priority-order", {"linearizable"}),
        (PASSED_OVER, "priority-order", {"linearizable", "snapshot"}),
        (NOTHING, "false-empty", {"linearizable", "snapshot"}),
        (OVERTAKEN, "fifo-order", {"linearizable", "snapshot", "stale"}),
    ],
)
@pytest.mark.parametrize("order", ["linearizable", "snapshot", "stale"])
def test_each_claim_is_held_to_its_promise(
    lines: Lines, reason: str, levels: set[str], order: Level
) -> None:
    """Whoever lists once may pass over what came meanwhile; an old list shows only the oldest."""
    result = judged(lines, order)
    assert result.reasons == ((reason,) if order in levels else ())
    assert (result.verdict is Verdict.INVALID) == (order in levels)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("order", ["snapshot", "stale"])
def test_an_unknown_reserve_excuses_as_many_items_as_it_asked_for(order: Level, n: int) -> None:
    """Behind one that may have had n items, n may be passed over, and no more."""
    unknown = op("reserve", None, 1, None, process=9, outcome="info", n=n)
    for passed in (n, n + 1):
        puts = [line for value in range(1, passed + 2) for line in put(value, 5 * value, NORMAL)]
        result = judged([*unknown, *puts, *reserve(passed + 1, 90, 95, 1)], order)
        assert result.reasons == (() if passed == n else ("fifo-order",))
        assert [witness.values for witness in result.witnesses] == (
            [] if passed == n else [tuple(range(1, passed + 2))]
        )


@pytest.mark.parametrize("n", [1, 2])
def test_an_unknown_reserve_excuses_an_empty_queue_of_as_many_items(n: int) -> None:
    """A queue of more was not empty."""
    unknown = op("reserve", None, 1, None, process=9, outcome="info", n=n)
    for there in (n, n + 1):
        puts = [line for value in range(1, there + 1) for line in put(value, 5 * value, NORMAL)]
        result = judged([*unknown, *puts, *reserve(None, 90, 95, 1)], "snapshot")
        assert result.reasons == (() if there == n else ("false-empty",))


def test_what_an_unknown_reserve_had_may_be_out_of_reach_for_good() -> None:
    """Its session is over and others came back, but its item may have been put aside."""
    unknown = op("reserve", None, 10, 11, process=9, outcome="info", n=1)
    over = ended(9, 12) + returned(9, 20, 7)
    lines = [*put(1, 0, NORMAL), *unknown, *over, *put(2, 30, NORMAL), *reserve(2, 40, 45, 1)]
    assert judged(lines, "snapshot").reasons == ()


def test_staleness_is_counted_where_it_is_no_fault() -> None:
    """What a fresh list would have shown is told in figures, and only for that claim."""
    result = judged([*PASSED_OVER, *reserve(None, 20, 25, 2)], "stale")
    assert result.details["staleness"] == {"inversions": 1, "false_empties": 1}
    assert "staleness" not in judged(PASSED_OVER, "snapshot").details


def test_an_item_that_was_released_to_the_back_is_behind_the_others() -> None:
    """It is ordered by its return; one that was released to its place by its put."""
    puts, taken = [*put(1, 0, NORMAL), *put(2, 5, NORMAL)], reserve(1, 10, 15, 1)
    for to, valid in (("back", True), (None, False)):
        where = {} if to is None else {"to": to}
        back = op("release", 1, 20, 25, process=1, consumer="c1", **where)
        result = judged([*puts, *taken, *back, *reserve(2, 30, 35, 2)], "linearizable")
        assert (result.verdict is Verdict.VALID) == valid
        early = judged([*puts, *taken, *back, *reserve(1, 30, 35, 2)], "linearizable")
        assert (early.verdict is Verdict.VALID) != valid
