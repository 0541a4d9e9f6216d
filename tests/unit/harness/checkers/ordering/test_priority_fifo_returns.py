"""What `priority-fifo` concludes from items that come back, and from reserves of unknown outcome.

Each history is one that the exhaustive oracle cannot explain; without the call or the bound that
makes it so, it can, and nothing is found.
"""

from collections.abc import Sequence

import pytest

from harness.checkers.ordering.priority_fifo import PriorityFifo
from harness.claim import Claim
from harness.common.verdict import Verdict
from worlds.histories.oracle import NEVER, Op, legal
from worlds.histories.random import as_history

CLAIM = Claim(level="linearizable")


def put(value: int, begin: int, end: int, *, priority: int = 0) -> Op:
    """Return a put, each by a producer of its own."""
    return Op(f="put", process=100 + value, begin=begin, end=end, value=value, priority=priority)


def got(value: int | None, process: int, begin: int, end: int) -> Op:
    """Return a reserve that delivered, or found nothing."""
    return Op(f="reserve", process=process, begin=begin, end=end, value=value)


def lost_reply(process: int, begin: int) -> Op:
    """Return a reserve whose outcome is unknown."""
    return Op(f="reserve", process=process, begin=begin, end=NEVER, outcome="info")


def died(process: int, begin: int, end: int) -> Op:
    """Return the end of a session; what it held was back by `end`."""
    return Op(f="crash", process=process, begin=begin, end=end)


CASES = {
    "a call that gave nothing back hides nothing that comes later": (
        [
            put(4, 1, 2),
            lost_reply(5, 2),
            died(5, 5, 6),
            lost_reply(6, 5),
            got(None, 7, 7, 7),
            got(4, 8, 9, 9),
        ],
        4,
    ),
    "what a session held unseen came back with the rest of it": (
        [
            got(2, 3, 0, 1),
            put(1, 0, 2),
            put(2, 1, 1, priority=1),
            lost_reply(3, 2),
            died(3, 2, 6),
            got(2, 4, 3, 5),
        ],
        0,
    ),
    "delivered first while no call hid anything, so put first": (
        [
            got(3, 2, 1, 3),
            put(1, 1, 4),
            put(3, 2, 5),
            lost_reply(2, 4),
            died(2, 8, 10),
            got(1, 4, 12, 12),
        ],
        0,
    ),
    "delivered first, so ahead when both come back at once": (
        [
            put(1, 0, 0),
            put(2, 0, 0),
            got(2, 2, 1, 2),
            got(1, 2, 3, 3),
            died(2, 4, NEVER),
            got(1, 5, 5, 5),
        ],
        2,
    ),
    "an urgent item that nobody got is ahead, whatever the order of the others": (
        [
            put(1, 0, 0, priority=1),
            got(1, 3, 0, 1),
            Op(f="put", process=102, begin=0, end=NEVER, value=2, priority=1, outcome="info"),
            put(3, 1, 6),
            died(3, 3, 5),
            lost_reply(8, 8),
            got(2, 10, 10, 13),
        ],
        1,
    ),
}


def verdict(ops: Sequence[Op]) -> Verdict:
    """Return what the checker says, at the level of the claim."""
    return PriorityFifo().check(as_history(ops), CLAIM).verdict


@pytest.mark.parametrize(("ops", "key"), CASES.values(), ids=CASES)
def test_found_and_only_for_its_reason(ops: list[Op], key: int) -> None:
    """The history is illegal and found; without the one call it is legal, and nothing is found."""
    assert (legal(ops), verdict(ops)) == (False, Verdict.INVALID)
    rest = [op for place, op in enumerate(ops) if place != key]
    assert (legal(rest), verdict(rest)) == (True, Verdict.VALID)


def test_a_call_that_may_have_given_it_back_hides_it() -> None:
    """The same as the first case, but the second call's session ended in time: legal."""
    ops, _ = CASES["a call that gave nothing back hides nothing that comes later"]
    excused = [*ops, died(6, 8, 9)]
    assert (legal(excused), verdict(excused)) == (True, Verdict.VALID)


def test_a_call_under_way_hides_what_was_delivered_later() -> None:
    """Delivered first, but while the other one may have been held unseen: legal."""
    ops, _ = CASES["delivered first while no call hid anything, so put first"]
    excused = [op for op in ops if op.outcome != "info"] + [lost_reply(6, 0), died(6, 1, 12)]
    assert (legal(excused), verdict(excused)) == (True, Verdict.VALID)


def test_what_a_session_held_unseen_says_nothing_of_an_empty_queue() -> None:
    """A false empty beside it is found as well, and found by the sweep that knows all calls."""
    ops, _ = CASES["what a session held unseen came back with the rest of it"]
    more = [*ops, put(9, 20, 21), got(None, 7, 30, 31), got(9, 8, 40, 41)]
    result = PriorityFifo().check(as_history(more), CLAIM)
    assert {"false-empty", "fifo-order"} <= set(result.reasons)
    excused = [*ops[:-1], got(None, 7, 3, 4)]
    assert (legal(excused), verdict(excused)) == (True, Verdict.VALID)
