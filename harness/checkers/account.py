"""The books of a history: what was put, delivered, acknowledged, and what of it is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checkers.episodes import capacity
from harness.checkers.holds import Holds, holds
from harness.checkers.notes import drain_begin_ns, ends, left_over
from harness.history import DONE, FAIL, INFO, NEVER_NS, OK, PUT, RESERVE, TAKE, History, derived

Mask = NDArray[np.bool_]


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
        capacity=int(capacity(history, takers).sum()),
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
