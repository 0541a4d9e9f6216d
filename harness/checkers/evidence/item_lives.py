"""Violations that one item shows by its zxids alone: never put, or miscounted."""

from collections.abc import Iterator

import numpy as np

from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.hidden import hidden_holds
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.violations import Violation
from harness.history.columns import OK, History, Ints, Mask


def by_item(history: History, view: History) -> list[Violation]:
    """Return the violations of each kind.

    `view` is the history on the axis of zxids.
    """
    never = [_never(view, int(row)) for row in _never_put(view)]
    return never + [_miscount(view, *pair) for pair in _miscounted(history, view)]


def _delivered(view: History) -> Mask:
    return view.got(OK) & (view.value >= 0)


def _never_put(view: History) -> Ints:
    rows = np.flatnonzero(_delivered(view))
    return rows[put_rows(view)[view.value[rows]] < 0]


def _never(view: History, row: int) -> Violation:
    value = view.values[view.value[row]]
    said = f"Item {value!r} was delivered, and no put of it can have taken effect."
    return Violation.of("never-put", said, [row], value)


def _miscounted(history: History, view: History) -> Iterator[tuple[int, int]]:
    """Yield (delivery, the one before or -1) whose delivery counts do not follow each other.

    A gap is no violation where as many holds that no delivery tells of may have come in between:
    of calls of unknown outcome, of deliveries without zxid or count, and of those that notes tell.
    """
    got = _delivered(view)
    counts = got & (view.zxid >= 0) & (view.delivery > 0)
    rows = np.flatnonzero(counts)
    rows = rows[np.lexsort((view.invoke_ns[rows], view.value[rows]))]
    again = np.append([False], view.value[rows][1:] == view.value[rows][:-1])[: len(rows)]
    before = np.where(again, np.append([-1], rows)[: len(rows)], -1)
    count, counted = view.delivery[rows], np.where(again, view.delivery[before], 0)
    uncounted = np.bincount(view.value[got & ~counts], minlength=len(view.values))
    bad = count <= counted
    for place in np.flatnonzero(count > counted + 1).tolist():
        pair = (int(before[place]), int(rows[place]))
        may = int(uncounted[view.value[rows[place]]]) + _unseen_between(history, view, *pair)
        bad[place] = int(count[place]) - int(counted[place]) - 1 > may
    yield from zip(rows[bad].tolist(), before[bad].tolist(), strict=True)


def _unseen_between(history: History, view: History, before: int, row: int) -> int:
    """Return how many holds of an item may have come between two deliveries (-1: none before)."""
    first = before if before >= 0 else int(put_rows(view)[view.value[row]])
    since_ns = int(view.invoke_ns[first]) if first >= 0 else 0
    calls, ending = hidden_holds(view), holds(history).endings
    may = (calls.begin <= view.complete_ns[row]) & (calls.until >= since_ns)
    told = ending.of_unseen & (ending.value == view.value[row])
    since = int(view.zxid[before]) if before >= 0 else -1
    told &= (ending.zxid < 0) | ((ending.zxid > since) & (ending.zxid <= view.zxid[row]))
    return int(may.sum()) + int(told.sum())


def _miscount(view: History, row: int, before: int) -> Violation:
    value, count = view.values[view.value[row]], int(view.delivery[row])
    after = f", after number {int(view.delivery[before])}" if before >= 0 else ", the first seen"
    said = f"A delivery of {value!r} was counted as its number {count}{after}."
    return Violation.of("delivery-count", said, [before, row], value)
