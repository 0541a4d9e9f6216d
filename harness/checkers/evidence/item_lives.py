"""Violations that one item shows by its zxids alone: never put, or miscounted."""

from collections.abc import Iterator

import numpy as np

from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.violations import Violation
from harness.history.columns import INFO, NEVER_NS, OK, History, Ints, Mask


def by_item(history: History, view: History) -> list[Violation]:
    """Return the violations of each kind.

    `view` is the history on the axis of zxids.
    """
    kinds = (
        [_never(view, int(row)) for row in _never_put(view)],
        [_miscount(view, *pair) for pair in _miscounted(history, view)],
    )
    return [violation for kind in kinds for violation in kind]


def _delivered(view: History) -> Mask:
    return view.got(OK) & (view.value >= 0)


def _never_put(view: History) -> Ints:
    rows = np.flatnonzero(_delivered(view))
    return rows[put_rows(view)[view.value[rows]] < 0]


def _never(view: History, row: int) -> Violation:
    value = view.values[view.value[row]]
    said = f"Item {value!r} was delivered, and no put of it can have taken effect."
    return Violation(reason="never-put", sentence=said, rows=(row,), values=(value,))


def _miscounted(history: History, view: History) -> Iterator[tuple[int, int]]:
    """Yield (delivery, the one before or -1) whose delivery counts do not follow each other.

    A gap is no violation where a call of unknown outcome may have had the item in between, or
    where notes tell of as many holds that no call recorded.
    """
    got = _delivered(view)
    rows = np.flatnonzero(got & (view.zxid >= 0) & (view.delivery > 0))
    rows = rows[np.lexsort((view.invoke_ns[rows], view.value[rows]))]
    again = np.append([False], view.value[rows][1:] == view.value[rows][:-1])[: len(rows)]
    before = np.where(again, np.append([-1], rows)[: len(rows)], -1)
    count, counted = view.delivery[rows], np.where(again, view.delivery[before], 0)
    unseen = got & (view.zxid < 0)
    unseen |= view.got(INFO)
    unseen_from = view.invoke_ns[unseen].min(initial=NEVER_NS)
    ending = holds(history).endings
    told = np.bincount(ending.value[ending.of_unseen], minlength=len(view.values))
    gap = count - counted - 1 > told[view.value[rows]]
    bad = (count <= counted) | (gap & (view.complete_ns[rows] < unseen_from))
    yield from zip(rows[bad].tolist(), before[bad].tolist(), strict=True)


def _miscount(view: History, row: int, before: int) -> Violation:
    value, count = view.values[view.value[row]], int(view.delivery[row])
    after = f", after number {int(view.delivery[before])}" if before >= 0 else ", the first seen"
    return Violation(
        reason="delivery-count",
        sentence=f"A delivery of {value!r} was counted as its number {count}{after}.",
        rows=tuple(row for row in (before, row) if row >= 0),
        values=(value,),
    )
