"""Checkers with one bug each: within its context, whoever judges makes that mistake."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np

from harness import judge as judging
from harness.checkers import fencing, ownership, total_queue
from harness.checkers.evidence import account, item_lives, notes, overlapping_holds
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.violations import Violation, conclude
from harness.checkers.evidence.windows import Ints, covered_until
from harness.checkers.ordering import fifo, groups, producer_order, window, zxid
from harness.checkers.ordering.strictly_increasing import StrictlyIncreasing
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from harness.history.pairing import Columns, Pairing

Applied = Callable[[], AbstractContextManager[Any]]
owed_by_all, all_trees = account._owed, notes.end_trees


def replaced(owner: object, name: str, by: Callable[..., Any]) -> Applied:
    """Give a context in which one function is another."""
    return lambda: mock.patch.object(owner, name, by)


def nothing(*_: object) -> Iterator[Violation]:
    """Find nothing."""
    return iter(())


def check_all(self: StrictlyIncreasing, history: History, claim: Claim) -> CheckResult:
    """Do as the original's check_all: each number is one more than the number before it."""
    rows = np.sort(holds(history).row)
    numbers = [int(history.values[value]) for value in history.value[rows]]
    steps = [b for a, b in pairwise(numbers) if b != a + 1]
    found = [Violation(reason="missing", sentence=f"{b} came too early.", rows=()) for b in steps]
    return conclude("strictly-increasing", history, found)


def each_window_alone(begin_ns: Ints, end_ns: Ints, at_ns: Ints) -> Ints:
    """Follow no chain of windows from one item to the next."""
    inside = (begin_ns[:, None] < at_ns) & (at_ns < end_ns[:, None])
    return np.maximum(np.where(inside, end_ns[:, None], 0).max(axis=0, initial=0), at_ns)


def closed_windows(begin_ns: Ints, end_ns: Ints, at_ns: Ints) -> Ints:
    """Count the moments at which an item comes and goes as covered."""
    return covered_until(begin_ns - 1, end_ns + 1, at_ns)


@contextmanager
def open_intervals() -> Iterator[None]:
    """Take calls that touch in one nanosecond for ordered."""
    read = Pairing.columns

    def columns(self: Pairing) -> Columns:
        rows = read(self)
        rows["complete_ns"] = rows["complete_ns"] - 1
        return rows

    with mock.patch.object(Pairing, "columns", columns):
        yield


@contextmanager
def throwing_is_passing() -> Iterator[None]:
    """Let a checker that throws count for one that finds nothing."""
    run = judging._run

    def forgiving(*given: Any) -> CheckResult:
        result = run(*given)
        if result.reasons != ("checker-failed",):
            return result
        return CheckResult(name=result.name, verdict=Verdict.VALID)

    with mock.patch.object(judging, "_run", forgiving):
        yield


def no_doubts(*_: object) -> list[str]:
    """Doubt nothing."""
    return []


def never_delivered(history: History) -> account.Mask:
    """Take what was delivered once for accounted for."""
    owed = owed_by_all(history)
    owed[holds(history).value] = False
    return owed


def one_server(history: History) -> tuple[notes.Tree, ...]:
    """Read the tree of the first server only."""
    return all_trees(history)[:1]


def undoubted(result: CheckResult, _: History, **__: bool) -> CheckResult:
    """Judge a damaged file like any other."""
    return result


MILDEST = replaced(Verdict, "merge", lambda verdicts: min(verdicts, default=Verdict.VALID))
ORIGINAL = replaced(StrictlyIncreasing, "check", check_all)
NO_DUPLICATES = replaced(total_queue, "_extra", nothing)
NO_LOST = replaced(total_queue, "_lost", nothing)
NOTHING_LEFT = replaced(total_queue, "still_there", lambda _: np.zeros((2, 0), np.int64))
NO_INVENTED = replaced(total_queue, "_invented", nothing)
NO_DOUBTS = replaced(total_queue, "_doubts", no_doubts)
NO_EXCUSE = replaced(account, "capacity", lambda *_: np.array([0]))
ANY_EXCUSE = replaced(account, "capacity", lambda *_: np.array([10**6]))
DELIVERED_IS_SAFE = replaced(account, "_owed", never_delivered)
ONE_SERVER = replaced(notes, "end_trees", one_server)
ANY_PLACE = replaced(account, "put_aside", lambda history, _: frozenset(notes.stands(history)))
NO_REAL_TIME = replaced(zxid, "_real_time", lambda *_: ([], []))
NO_COUNTS = replaced(item_lives, "_miscounted", nothing)
NO_CROWD = replaced(window, "crowd", lambda _, __, asked, *___: np.zeros(len(asked), np.int64))
NO_EXPIRY = replaced(ownership, "_after_expiry", lambda *_: ([], []))
NO_LOGS = replaced(fencing, "_ended", lambda _: ({}, 0, True))
NO_OVERLAPS = replaced(overlapping_holds, "_overlaps", lambda *_: ([], []))
NO_CHAIN = replaced(fifo, "covered_until", each_window_alone)
CLOSED_WINDOWS = replaced(fifo, "covered_until", closed_windows)
ALL_DELAYED = replaced(producer_order, "_delayed_from_ns", lambda _: 0)
ENDLESS = replaced(groups, "_over_ns", lambda held: held.over_ns)
ANY_ORDER = replaced(groups, "_disorder", nothing)
UNDOUBTED = replaced(judging, "_doubted", undoubted)
