"""The original's assertion: one consumer receives what one producer put, one by one, in order."""

from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.account import Account, account
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.notes import ends
from harness.checkers.evidence.violations import Violation, conclude
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import (
    FAIL,
    INFO,
    NEVER_NS,
    OK,
    PUT,
    RESERVE,
    TAKE,
    History,
    Ints,
    Mask,
    derived,
)

NAME = "strictly-increasing"


@checkers.register(NAME)
class StrictlyIncreasing:
    """One consumer's first deliveries are exactly what one producer put, from first to last.

    O(n log n). Deliveries are compared with the order of the puts, so values need not be 1..n; a
    put of unknown outcome that is never delivered is left out. Reasons:
        missing         the next item is skipped, or the last ones never come, and are lost
        out-of-order    the next item comes later
        unexpected      an item comes that was never put
    It is not run if, before the order breaks, a call ended without an answer, or the consumer's
    session ended other than by closing it: either may have taken or delayed an item. What the order
    is then, `priority-fifo` judges. UNKNOWN:
        unknown-outcome only the last items are missing, and such calls may have them
        still-waiting   only the last items are missing, and no drain was finished
        nothing-acknowledged
    Processes that follow one another count as one: a client goes on as a new process.
    Source: check_all of the original harness, which saw neither a lost head nor a lost tail.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"missing", "out-of-order", "unexpected"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a claim of order, one producer, one consumer, one priority, known outcomes."""
        if claim.level in ("window", "unordered"):
            return "a claim of linearizable, snapshot or stale"
        took = history.is_one_of(RESERVE, TAKE)
        if _concurrent(history, history.f == PUT):
            return "one producer at a time"
        if _concurrent(history, took):
            return "one consumer at a time"
        if len(np.unique(history.priority[history.f == PUT])) > 1:
            return "one priority"
        _, delivered, place = _compared(history)
        if place < len(delivered) and _doubtful(
            history, int(history.complete_ns[delivered[place]])
        ):
            return "known outcomes up to where the order breaks"
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare the two sequences up to their first difference."""
        expected, delivered, place = _compared(history)
        details = {"expected": len(expected), "delivered": len(delivered), "in_order": place}
        violations, doubts = _judge(history, claim, expected, delivered, place)
        return conclude(NAME, history, violations, doubts=doubts, details=details)


def _judge(
    history: History, claim: Claim, expected: Ints, delivered: Ints, place: int
) -> tuple[list[Violation], list[str]]:
    """Return what the first difference shows: a violation, or a doubt."""
    if not history.is_(PUT, OK).any():
        return [], ["nothing-acknowledged"]
    if place < len(delivered):
        return [_break(history, expected, delivered, place)], []
    if place < len(expected):
        return _tail(history, account(history, claim.put_aside), expected[place:])
    return [], []


@derived
def _compared(history: History) -> tuple[Ints, Ints, int]:
    """Return the rows of puts and of first deliveries, and the place of their first difference."""
    delivered = _first_deliveries(history)
    expected = _puts(history, delivered)
    size = min(len(expected), len(delivered))
    differ = np.flatnonzero(history.value[expected[:size]] != history.value[delivered[:size]])
    return expected, delivered, int(differ[0]) if len(differ) else size


def _first_deliveries(history: History) -> Ints:
    """Return the rows of each item's first delivery, in the order of the deliveries."""
    rows = np.sort(holds(history).row)
    return np.sort(rows[np.unique(history.value[rows], return_index=True)[1]])


def _puts(history: History, delivered: Ints) -> Ints:
    """Return the rows of the puts in order, without those that may never have taken effect."""
    answered = history.is_(PUT, OK)
    seen = (history.f == PUT) & (history.outcome != FAIL)
    seen &= np.isin(history.value, history.value[delivered])
    return np.flatnonzero(answered | seen)


def _concurrent(history: History, mask: Mask) -> bool:
    """Say whether two processes of these rows were active at one time.

    A call of unknown outcome counts at its invocation only: its process went on as a new one.
    """
    process, at_ns = history.process[mask], history.invoke_ns[mask]
    known = history.outcome[mask] != INFO
    last_ns = np.where(known, history.complete_ns[mask], at_ns)
    begin_ns = np.full(len(history.processes), NEVER_NS, np.int64)
    end_ns = np.full(len(history.processes), -1, np.int64)
    np.minimum.at(begin_ns, process, at_ns)
    np.maximum.at(end_ns, process, last_ns)
    order = np.argsort(begin_ns[end_ns >= 0])
    begin_ns, end_ns = begin_ns[end_ns >= 0][order], end_ns[end_ns >= 0][order]
    return bool((begin_ns[1:] <= np.maximum.accumulate(end_ns)[:-1]).any())


def _doubtful(history: History, break_ns: int) -> bool:
    """Say whether something before the break may have taken or delayed an item."""
    unanswered = (history.outcome == INFO) & history.is_one_of(PUT, RESERVE, TAKE)
    ended = ends(history)
    return bool(
        (unanswered & (history.invoke_ns < break_ns)).any()
        or ((ended.alive_ns < break_ns) & ~ended.closed).any()
    )


def _break(history: History, expected: Ints, delivered: Ints, place: int) -> Violation:
    came = history.operation(int(delivered[place]))
    put = np.flatnonzero((history.f == PUT) & (history.value == history.value[delivered[place]]))
    if not len(put) or place >= len(expected):
        sentence = f"Item {came.value!r} was delivered, and this run never put it."
        return Violation.of("unexpected", sentence, [*put, delivered[place]], came.value)
    due = history.operation(int(expected[place]))
    later = delivered[place:][history.value[delivered[place:]] == history.value[expected[place]]]
    reason = "out-of-order" if len(later) else "missing"
    fate = "only came later" if len(later) else "never came"
    due_was = f"{due.value!r} was next; {due.value!r} {fate}"
    sentence = f"Item {came.value!r} was delivered where {due_was}."
    rows = [expected[place], *put, delivered[place], *later]
    return Violation.of(reason, sentence, rows, due.value, came.value)


def _tail(history: History, books: Account, waiting: Ints) -> tuple[list[Violation], list[str]]:
    if books.missing is None:
        return [], ["still-waiting"]
    if books.missing[history.value[waiting]].sum() <= books.capacity:
        return [], ["unknown-outcome"]
    value = history.operation(int(waiting[0])).value
    sentence = f"Item {value!r} was next and never came, nor did the {len(waiting) - 1} after it."
    return [Violation.of("missing", sentence, [waiting[0]], value)], []
