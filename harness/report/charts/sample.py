"""Which operations a report shows: every witness, and as many others as a browser takes well."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from harness import words
from harness.history.columns import OK, History, Ints, Mask
from harness.history.record import Value

Rows = Ints
SLOWEST_BINS = 500


def witness_values(results: Mapping[str, Any]) -> list[Value]:
    """Return the items that witnesses are about, the gravest check's first, each once."""
    told = [value for witness in _witnesses(results) for value in witness["values"]]
    shown = [row["value"] for witness in _witnesses(results) for row in witness["operations"]]
    return list(dict.fromkeys(v for v in told + shown if isinstance(v, (int, str))))


def witness_rows(history: History, results: Mapping[str, Any]) -> Mask:
    """Return the mask of the rows that stand in witnesses, and of all others of their items."""
    shown = [row["index"] for witness in _witnesses(results) for row in witness["operations"]]
    return np.isin(history.index, shown) | of_values(history, witness_values(results))


def of_values(history: History, values: Iterable[Value]) -> Mask:
    """Return the mask of the rows about these items."""
    numbers = [history.number_of[value] for value in values if value in history.number_of]
    return np.isin(history.value, numbers)


def rows_to_draw(history: History, always: Mask, limit: int) -> Rows:
    """Return `limit` rows or fewer, and all of `always` whatever the limit, in order.

    Of the others: first what did not succeed, then the slowest of each stretch of time, then an
    even choice.
    """
    if len(history) <= limit:
        return np.arange(len(history))
    kept = always.copy()
    troubled = np.flatnonzero((history.outcome != OK) & ~kept)
    kept[_evenly(troubled, limit // 2)] = True
    kept[_slowest(history)] = True
    rest = np.flatnonzero(~kept)
    kept[_evenly(rest, max(0, limit - int(kept.sum())))] = True
    return np.flatnonzero(kept)


def values_to_tell(history: History, first: Iterable[Value], limit: int) -> list[Value]:
    """Return the items whose lives a report holds: `first`, then others up to `limit` rows."""
    per_value = np.bincount(history.value[history.value >= 0], minlength=len(history.values))
    chosen = [history.number_of[value] for value in first if value in history.number_of]
    if per_value.sum() <= limit:
        return history.values
    others = np.setdiff1d(np.arange(len(history.values)), np.array(chosen, np.int64))
    average = max(1.0, float(per_value.mean()))
    room = max(0, limit - int(per_value[chosen].sum()))
    return [history.values[n] for n in [*chosen, *_evenly(others, int(room / average))]]


def _slowest(history: History) -> Rows:
    """Return the row that took longest in each of SLOWEST_BINS stretches of the run."""
    rows = np.flatnonzero(history.outcome == OK)
    if not len(rows):
        return rows
    begun_ns = history.invoke_ns[rows]
    span_ns = max(1, int(begun_ns.max() - begun_ns.min()))
    stretch = (begun_ns - begun_ns.min()) * (SLOWEST_BINS - 1) // span_ns
    took_ns = history.complete_ns[rows] - begun_ns
    order = np.lexsort((-took_ns, stretch))
    return rows[order[np.unique(stretch[order], return_index=True)[1]]]


def _evenly(rows: Rows, size: int) -> Rows:
    """Return `size` of the rows, at even distances; all where there are no more."""
    if len(rows) <= size:
        return rows
    return rows[np.linspace(0, len(rows) - 1, size, dtype=np.int64)] if size else rows[:0]


def _witnesses(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return them in the order that the report has them."""
    checks = words.gravest_first(results["checks"])
    return [witness for check in checks for witness in check["witnesses"]]
