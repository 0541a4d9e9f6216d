"""Accounting: every acknowledged item comes out, once, and nothing else does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checkers import Claim, checkers
from harness.checkers.findings import SHOWN, Violation, conclude, in_order, named
from harness.checkers.holds import Holds, holds
from harness.checkers.notes import drain_begin_ns, ends, left_over
from harness.history import (
    DONE,
    FAIL,
    INFO,
    NEVER_NS,
    OK,
    PUT,
    RESERVE,
    TAKE,
    History,
    Value,
    derived,
)
from harness.verdict import CheckResult

NAME = "total-queue"
Mask = NDArray[np.bool_]
_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Each kind of item as a mask over `history.values`, and how often each was delivered.

    Attributes:
        missing: waiting when the drain began (acknowledged and not delivered, or surely given
            back), not delivered since, in no tree; None without a drain.
        extra: deliveries beyond what its put and its returns explain.
        takers: rows of calls of unknown outcome that may hold, or have taken, a missing item.
        capacity: how many items those calls asked for.
    """

    attempted: Mask
    acknowledged: Mask
    failed: Mask
    deliveries: NDArray[np.int64]
    extra: NDArray[np.int64]
    completed: Mask
    missing: Mask | None
    takers: NDArray[np.int64]
    capacity: int

    @property
    def delivered(self) -> Mask:
        """Delivered at least once."""
        mask: Mask = self.deliveries > 0
        return mask

    @property
    def unexpected(self) -> Mask:
        """Delivered, and never put by this run."""
        return self.delivered & ~self.attempted

    @property
    def phantom(self) -> Mask:
        """Delivered, though every put of it certainly failed."""
        return self.delivered & self.failed

    @property
    def recovered(self) -> Mask:
        """Delivered; its put's outcome was unknown."""
        return self.delivered & self.attempted & ~self.acknowledged & ~self.failed

    @property
    def lost(self) -> int | None:
        """How many are missing and cannot be with a call of unknown outcome; None: no drain."""
        if self.missing is None:
            return None
        return max(0, int(self.missing.sum()) - self.capacity)

    def counts(self) -> dict[str, int | None]:
        """Return `counts` of results.json: distinct values, but extra deliveries where so named."""
        return {
            "attempted": int(self.attempted.sum()),
            "acknowledged": int(self.acknowledged.sum()),
            "delivered": int(self.delivered.sum()),
            "lost": self.lost,
            "duplicated": int(self.extra.sum()),
            "unexpected": int(self.unexpected.sum()),
            "phantom": int(self.phantom.sum()),
            "recovered": int(self.recovered.sum()),
            "redelivered": int(np.maximum(self.deliveries - 1, 0).sum() - self.extra.sum()),
            "completed": int(self.completed.sum()),
            "unfinished": int((self.delivered & ~self.completed).sum()),
        }


@derived
def account(history: History) -> Account:
    """Count every item of the history. O(n)."""
    size = len(history.values)
    puts = (history.f == PUT) & (history.value >= 0)
    attempted = _marked(size, history.value[puts])
    acknowledged = _marked(size, history.value[puts & (history.outcome == OK)])
    possible = _marked(size, history.value[puts & (history.outcome != FAIL)])
    held = holds(history)
    deliveries = np.bincount(held.value, minlength=size)
    allowed = 1 + np.bincount(held.value[held.may_return], minlength=size)
    takers = _takers(history)
    return Account(
        attempted=attempted,
        acknowledged=acknowledged,
        failed=attempted & ~possible,
        deliveries=deliveries,
        extra=np.maximum(deliveries - allowed, 0),
        completed=_marked(size, _completed(history, held)),
        missing=_missing(history, held),
        takers=takers,
        capacity=int(_capacity(history, takers)),
    )


@checkers.register(NAME)
class TotalQueue:
    """Every acknowledged item is delivered, once unless it was given back, and nothing else is.

    O(n). Reasons:
        lost            acknowledged before a finished drain, or given back before it, not delivered
                        from then on, in no tree at the end
        duplicated      delivered again, though nobody gave it back and no session ended with it
        unexpected      delivered, never put in this run: an invention, or another run's leftover
        phantom         delivered, though its put certainly failed
    UNKNOWN:
        nothing-acknowledged    such a history shows nothing
        no-drain        items are missing, and no drain was finished: they may still be there
        maybe-taken     items are missing, and as many calls of unknown outcome may have them
    Details are sorted lists of values; `recovered` (outcome unknown, delivered) is no error.
    A batch call of unknown outcome that does not say how many it asked for (`n`) counts with the
    largest batch of the history.
    Source: Jepsen's checker of the same name, which passes duplicates and an empty history.
    """

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Return None: any history can be counted."""
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Count, and name what is wrong."""
        books = account(history)
        violations = [*_extra(history, books), *_invented(history, books), *_lost(history, books)]
        return conclude(
            NAME,
            history,
            violations,
            doubts=_doubts(history, books),
            details=_details(history, books),
            more=_undescribed(books),
        )


def _marked(size: int, numbers: NDArray[Any]) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[numbers] = True
    return mask


def _completed(history: History, held: Holds) -> NDArray[np.int64]:
    """Return the values whose acknowledgement succeeded, also those of unseen deliveries."""
    from_done = history.value[history.is_(DONE, OK)]
    return np.concatenate([held.value[held.done], from_done[from_done >= 0]])


def _missing(history: History, held: Holds) -> Mask | None:
    begin_ns = drain_begin_ns(history)
    if begin_ns is None:
        return None
    size = len(history.values)
    early = history.is_(PUT, OK) & (history.complete_ns <= begin_ns)
    undelivered = _marked(size, history.value[early]) & ~_marked(size, held.value)
    left = _marked(size, np.array(sorted(left_over(history)), np.int64))
    return (undelivered | _given_back(history, held, begin_ns)) & ~left


def _given_back(history: History, held: Holds, by_ns: int) -> Mask:
    """Mark the items of which each delivery was surely undone by then, and none acknowledged."""
    size = len(history.values)
    acknowledged = (history.f == DONE) & (history.outcome != FAIL) & (history.value >= 0)
    kept = _marked(size, held.value[held.done | (held.back_ns > by_ns)])
    return _marked(size, held.value) & ~kept & ~_marked(size, history.value[acknowledged])


def _takers(history: History) -> NDArray[np.int64]:
    """Return the calls of unknown outcome whose effect nothing has undone for certain.

    A reserve of a process whose session has ended holds nothing when the drain begins.
    """
    ended = ends(history).alive_ns[history.process] < NEVER_NS
    open_ended = (history.f == TAKE) | ((history.f == RESERVE) & ~ended)
    return np.flatnonzero(open_ended & (history.outcome == INFO) & (history.value < 0))


def _capacity(history: History, takers: NDArray[np.int64]) -> int:
    got = (history.f == RESERVE) | (history.f == TAKE)
    largest = int(history.part[got].max(initial=0)) + 1
    return int(np.where(history.n[takers] > 0, history.n[takers], largest).sum())


def _lost(history: History, books: Account) -> Iterator[Violation]:
    if not books.lost or books.missing is None:
        return
    doubt = f"; calls of unknown outcome can have at most {books.capacity} of the "
    where = f"{doubt}{int(books.missing.sum())} that are missing" if books.capacity else ""
    for number, value in _smallest(history, books.missing):
        yield Violation(
            reason="lost",
            sentence=f"{value!r} was {_waited(books, number)}, and nothing is left of it "
            f"after the drain{where}.",
            rows=(*_rows(history, number, range(5)), *(int(row) for row in books.takers[:3])),
            values=(value,),
        )


def _waited(books: Account, number: int) -> str:
    if books.deliveries[number]:
        return "delivered, given back, not delivered again"
    return "acknowledged, was never delivered"


def _extra(history: History, books: Account) -> Iterator[Violation]:
    for number, value in _smallest(history, books.extra > 0):
        times = int(books.deliveries[number])
        yield Violation(
            reason="duplicated",
            sentence=f"{value!r} was delivered {times} times, and at most "
            f"{times - int(books.extra[number])} can be explained: nobody gave it back, and no "
            "session ended with it.",
            rows=_rows(history, number, range(5)),
            values=(value,),
        )


def _invented(history: History, books: Account) -> Iterator[Violation]:
    for number, value in _smallest(history, books.unexpected):
        yield Violation(
            reason="unexpected",
            sentence=f"{value!r} was delivered, and this run never put it.",
            rows=_rows(history, number, (RESERVE, TAKE)),
            values=(value,),
        )
    for number, value in _smallest(history, books.phantom):
        yield Violation(
            reason="phantom",
            sentence=f"{value!r} was delivered, though its put certainly failed.",
            rows=_rows(history, number, (PUT, RESERVE, TAKE)),
            values=(value,),
        )


def _smallest(history: History, mask: Mask) -> list[tuple[int, Value]]:
    """Return the numbers and values to describe: the smallest that a result shows."""
    numbers = np.flatnonzero(mask)
    by_value = {history.values[number]: int(number) for number in numbers}
    return [(by_value[value], value) for value in in_order(by_value)[:SHOWN]]


def _rows(history: History, number: int, kinds: Iterable[int]) -> tuple[int, ...]:
    rows = np.flatnonzero((history.value == number) & np.isin(history.f, list(kinds)))
    return tuple(int(row) for row in rows[:_ROWS])


def _undescribed(books: Account) -> int:
    masks = [books.extra > 0, books.unexpected, books.phantom]
    if books.lost and books.missing is not None:
        masks.append(books.missing)
    return sum(max(0, int(mask.sum()) - SHOWN) for mask in masks)


def _doubts(history: History, books: Account) -> list[str]:
    doubts = []
    if not books.acknowledged.any():
        doubts.append("nothing-acknowledged")
    if books.missing is None:
        left = left_over(history)
        waiting = np.flatnonzero(books.acknowledged & ~books.delivered)
        if any(int(number) not in left for number in waiting):
            doubts.append("no-drain")
    elif books.missing.any() and not books.lost:
        doubts.append("maybe-taken")
    return doubts


def _details(history: History, books: Account) -> dict[str, Any]:
    masks = {
        "missing": books.missing,
        "duplicated": books.extra > 0,
        "unexpected": books.unexpected,
        "phantom": books.phantom,
        "recovered": books.recovered,
    }
    return {
        name: None if mask is None else named(history, np.flatnonzero(mask))
        for name, mask in masks.items()
    } | {"unknown_calls": len(books.takers), "unknown_capacity": books.capacity}
