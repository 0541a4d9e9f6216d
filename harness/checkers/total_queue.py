"""Accounting: every acknowledged item comes out, once, and nothing else does."""

from collections.abc import Container, Iterator
from itertools import islice
from typing import Any

import numpy as np

from harness.checkers import Claim, checkers
from harness.checkers.account import Account, Mask, account
from harness.checkers.findings import SHOWN, Violation, conclude, in_order, named
from harness.checkers.notes import left_over
from harness.history import PUT, RESERVE, TAKE, History, Value
from harness.verdict import CheckResult

NAME = "total-queue"
_ROWS = 12


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


def _rows(history: History, number: int, kinds: Container[int]) -> tuple[int, ...]:
    rows = np.flatnonzero(history.value == number).tolist()
    return tuple(islice((row for row in rows if history.f[row] in kinds), _ROWS))


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
