"""Accounting: which items were put, delivered and acknowledged, and which are missing."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checkers.evidence.hidden import capacity
from harness.checkers.evidence.holds import Holds, holds
from harness.checkers.evidence.notes import last_drain, put_aside
from harness.history.columns import DONE, FAIL, INFO, OK, PUT, TAKE, History, Ints, Mask, derived


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Each kind of item as a mask over `history.values`, and how often each was delivered.

    Attributes:
        owed: acknowledged before the last drain began (without a drain: ever), and neither taken
            nor acknowledged by a `done` that succeeded or may have.
        late: acknowledged after the last drain began, and otherwise as `owed`: no drain had to find
            it.
        missing: owed, and not put aside as the scenario allows; None without a finished drain.
        extra: deliveries beyond what its put and its returns explain.
        takers: rows of takes of unknown outcome, which may have removed an item unseen.
        capacity: how many items those calls asked for.
    """

    attempted: Mask
    acknowledged: Mask
    failed: Mask
    deliveries: Ints
    extra: Ints
    completed: Mask
    owed: Mask
    late: Mask
    missing: Mask | None
    takers: Ints
    capacity: int

    @property
    def delivered(self) -> Mask:
        """The items of which at least one delivery was recorded."""
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
        """How many are missing that no take of unknown outcome can have; None without a drain."""
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


def account(history: History, aside: Collection[str] = ()) -> Account:
    """Count every item of the history; those in a place of `aside` are accounted for. O(n)."""
    books = _account(history)
    if books.missing is None or not aside:
        return books
    numbers = np.array(sorted(put_aside(history, aside)), np.int64)
    found = _marked(len(history.values), numbers)
    return replace(books, missing=books.missing & ~found, late=books.late & ~found)


@derived
def _account(history: History) -> Account:
    size = len(history.values)
    puts = (history.f == PUT) & (history.value >= 0)
    attempted = _marked(size, history.value[puts])
    acknowledged = _marked(size, history.value[puts & (history.outcome == OK)])
    possible = _marked(size, history.value[puts & (history.outcome != FAIL)])
    held = holds(history)
    deliveries = np.bincount(held.value, minlength=size)
    allowed = 1 + np.bincount(held.value[held.may_return], minlength=size)
    owed, drain = _owed(history), last_drain(history)
    # A reserve of unknown outcome hides nothing: a drain ends only once no item is held.
    takers = np.flatnonzero(history.is_(TAKE, INFO) & (history.value < 0))
    return Account(
        attempted=attempted,
        acknowledged=acknowledged,
        failed=attempted & ~possible,
        deliveries=deliveries,
        extra=np.maximum(deliveries - allowed, 0),
        completed=_marked(size, _completed(history, held)),
        owed=owed,
        late=_late(history),
        missing=owed if drain is not None and drain.complete else None,
        takers=takers,
        capacity=int(capacity(history, takers).sum()),
    )


def _marked(size: int, numbers: NDArray[Any]) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[numbers] = True
    return mask


def _completed(history: History, held: Holds) -> Ints:
    """Return the values whose acknowledgement succeeded, also those of unseen deliveries."""
    from_done = history.value[history.is_(DONE, OK)]
    return np.concatenate([held.value[held.done], from_done[from_done >= 0]])


def _owed(history: History) -> Mask:
    drain, put = last_drain(history), _acknowledged_puts(history)
    early = put if drain is None else put & (history.complete_ns <= drain.begin_ns)
    return _marked(len(history.values), history.value[early]) & ~_gone(history)


def _late(history: History) -> Mask:
    drain, put = last_drain(history), _acknowledged_puts(history)
    after = put & False if drain is None else put & (history.complete_ns > drain.begin_ns)
    return _marked(len(history.values), history.value[after]) & ~_gone(history)


def _acknowledged_puts(history: History) -> Mask:
    mask: Mask = history.is_(PUT, OK) & (history.value >= 0)
    return mask


@derived
def _gone(history: History) -> Mask:
    """Return the items that were taken, or acknowledged by a `done` that succeeded or may have."""
    over = ((history.f == DONE) & (history.outcome != FAIL)) | history.is_(TAKE, OK)
    return _marked(len(history.values), history.value[over & (history.value >= 0)])
