"""What each claim of order promises: of two items, who may be passed over, and when."""

from typing import Any

import pytest

from harness.checkers.ordering.priority_fifo import PriorityFifo
from harness.claim import Claim, Level
from harness.common.verdict import CheckResult, Verdict
from worlds.histories.by_hand import history, op

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
