"""Stays of items in the queue: each from becoming available to the next delivery."""

from dataclasses import dataclass, fields, replace

import numpy as np

from harness.checkers.evidence.holds import Holds, holds
from harness.common.harness_errors import HistoryError
from harness.history.columns import FAIL, NEVER_NS, OK, PUT, RELEASE, History, Ints, Mask, derived
from harness.history.record import Value

AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """One stay of one item in the queue, a row each; all times are closed bounds.

    Attributes:
        number: 0 from the put, 1 from the first return, ...
        free_ns, surely_free_ns: it becomes available in between.
        taken_ns, surely_taken_ns: it is reserved in between; NEVER_NS if it is not, or if that
            is not determined.
        key_ns, surely_key_ns: bounds of what orders it within its priority: its put, or its
            release to anywhere but its old place.
        freed_by: process whose session's end, and nothing else, made it available; else -1.
        priority: of the put.
        put_row, row: of the put and of the reserve (-1) in the history.
    """

    value: Ints
    number: Ints
    free_ns: Ints
    surely_free_ns: Ints
    taken_ns: Ints
    surely_taken_ns: Ints
    key_ns: Ints
    surely_key_ns: Ints
    freed_by: Ints
    priority: Ints
    put_row: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.value)

    def where(self, rows: Mask | Ints) -> "Episodes":
        """Return the rows of a mask, or those with these numbers."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return Episodes(**{name: getattr(self, name)[rows] for name in _COLUMNS})

    def followed_by(self, other: "Episodes") -> "Episodes":
        """Return these rows, then the others."""
        pairs = ((name, (getattr(self, name), getattr(other, name))) for name in _COLUMNS)
        return Episodes(**{name: np.concatenate(pair) for name, pair in pairs})


_COLUMNS = tuple(field.name for field in fields(Episodes))


@derived
def put_rows(history: History) -> Ints:
    """Return the row of each value's put that did not certainly fail; -1 without one.

    Raises:
        HistoryError: a value was put twice; its deliveries could not be told apart.
    """
    if twice := put_twice(history):
        raise HistoryError(f"put of {twice[0]!r}: expected one put of each value, got another")
    rows = _puts(history)
    found = np.full(len(history.values), -1, np.int64)
    found[history.value[rows]] = rows
    return found


@derived
def put_twice(history: History) -> list[Value]:
    """Return the values with two puts that did not certainly fail: which one came is not known."""
    puts = np.bincount(history.value[_puts(history)], minlength=len(history.values))
    return [history.values[number] for number in np.flatnonzero(puts > 1)]


def _puts(history: History) -> Ints:
    return np.flatnonzero((history.f == PUT) & (history.outcome != FAIL) & (history.value >= 0))


def episodes(history: History) -> Episodes:
    """Return all stays of items that were put. O(n log n).

    If two holds of an item can have come in either order, only its first stay is known: up to
    its earliest delivery.

    Raises:
        HistoryError: a value was put twice.
    """
    first, again = _stays(history)
    stays = first.followed_by(again) if len(again) else first
    return _keyed(stays, _sent_back(history, again, len(first)))


def _stays(history: History) -> tuple[Episodes, Episodes]:
    """Return the first stays and the later ones, all ordered by their puts. O(n log n)."""
    put_row, held = put_rows(history), holds(history)
    # Holds exclude each other, so their ends have the order of their beginnings, and are surer.
    order = np.lexsort((held.held_ns, held.over_ns, held.value))
    order = order[put_row[held.value[order]] >= 0]
    sure = _determined(held, order, len(put_row))
    first = _first_stays(history, held, order, put_row, sure)
    return first, _later_stays(history, held, order[sure[held.value[order]]], put_row)


def _determined(held: Holds, order: Ints, size: int) -> Mask:
    """Return, by value, whether the order of its holds is certain.

    Two holds are in order if the second cannot be over when the first begins. Comparing
    neighbours is enough, since the ends are sorted.
    """
    value, begin, over = held.value[order], held.held_ns[order], held.over_ns[order]
    sure = np.ones(size, np.bool_)
    same = value[1:] == value[:-1]
    doubtful = (over[1:] <= begin[:-1]) | (over[:-1] > begin[1:])
    sure[value[1:][same & doubtful]] = False
    return sure


def _first_stays(history: History, held: Holds, order: Ints, put_row: Ints, sure: Mask) -> Episodes:
    value = np.flatnonzero(put_row >= 0)
    count = np.bincount(held.value[order], minlength=len(put_row))[value]
    answered = history.outcome[put_row[value]] == OK
    value, count = value[answered | (count > 0)], count[answered | (count > 0)]
    put = put_row[value]
    taken, surely, row = (np.full(len(value), fill, np.int64) for fill in (NEVER_NS, NEVER_NS, -1))
    if len(order):
        place = order[np.minimum(np.searchsorted(held.value[order], value), len(order) - 1)]
        earliest, latest = np.full((2, len(put_row)), NEVER_NS, np.int64)
        doubtful = order[~sure[held.value[order]]]
        np.minimum.at(earliest, held.value[doubtful], held.begin_ns[doubtful])
        np.minimum.at(latest, held.value[doubtful], held.held_ns[doubtful])
        clear = sure[value]
        taken = np.where(clear, held.begin_ns[place], earliest[value])
        taken = np.where(count > 0, taken, NEVER_NS)
        surely = np.where(clear, held.held_ns[place], latest[value])
        surely = np.where(count > 0, surely, NEVER_NS)
        row = np.where(count > 0, held.row[place], -1)
    begin_ns = history.invoke_ns[put]
    known = (history.outcome[put] == OK) & (history.to[put] == 0)
    free_by = np.where(known, history.complete_ns[put], NEVER_NS)
    return Episodes(
        value=value,
        number=np.zeros(len(value), np.int64),
        free_ns=begin_ns,
        surely_free_ns=free_by,
        taken_ns=np.maximum(taken, begin_ns),
        surely_taken_ns=surely,
        key_ns=begin_ns,
        surely_key_ns=np.minimum(free_by, surely),  # it was put before it was delivered
        freed_by=np.full(len(value), -1, np.int64),
        priority=history.priority[put].astype(np.int64),
        put_row=put,
        row=row,
    )


def _later_stays(history: History, held: Holds, order: Ints, put_row: Ints) -> Episodes:
    place = np.flatnonzero(~held.done[order] & (held.over_ns[order] < NEVER_NS))
    stay, next_ = order[place], np.minimum(place + 1, max(len(order) - 1, 0))
    value = held.value[stay]
    more = (held.value[order[next_]] == value) & (next_ > place)
    following, first = order[next_], np.searchsorted(held.value[order], value)
    put = put_row[value]
    free_ns = np.maximum(held.over_ns[stay], held.begin_ns[stay])
    next_ns = np.where(more, held.held_ns[following], NEVER_NS)
    gone = held.maybe_done[stay] & ~more & ~held.returned[stay]
    return Episodes(
        value=value,
        number=place - first + 1,
        free_ns=free_ns,
        surely_free_ns=np.where(gone, NEVER_NS, _back_ns(history, held, stay, next_ns)),
        taken_ns=np.where(more, np.maximum(held.begin_ns[following], free_ns), NEVER_NS),
        surely_taken_ns=next_ns,
        key_ns=history.invoke_ns[put],
        surely_key_ns=np.minimum(history.complete_ns[put], held.held_ns[order[first]]),
        freed_by=np.where(held.lapsed[stay] & ~gone, held.process[stay], -1),
        priority=history.priority[put].astype(np.int64),
        put_row=put,
        row=np.where(more, held.row[following], -1),
    )


def _back_ns(history: History, held: Holds, stay: Ints, next_ns: Ints) -> Ints:
    """Return when items were surely back: all of an ended session, once one is delivered again.

    A queue gives back everything that a session held in one transaction. A process with more
    items than fit into one is left out.
    """
    process, lapsed = held.process[stay], held.lapsed[stay]
    count = np.bincount(process[lapsed], minlength=len(history.processes))
    seen_ns = np.full(len(history.processes), NEVER_NS, np.int64)
    np.minimum.at(seen_ns, process[lapsed], next_ns[lapsed])
    seen_ns[count > AT_ONCE] = NEVER_NS
    return np.where(lapsed, np.minimum(held.back_ns[stay], seen_ns[process]), held.back_ns[stay])


def _sent_back(history: History, again: Episodes, skip: int) -> Mask:
    """Return which stays began with a release to anywhere but the item's old place."""
    held = holds(history)
    endings = held.endings
    named = np.flatnonzero((endings.row >= 0) & (endings.hold >= 0))
    moved = named[history.to[endings.row[named]] != 0]
    moved = moved[history.f[endings.row[moved]] == RELEASE]
    if not len(moved):
        return np.zeros(skip + len(again), np.bool_)
    since = {(int(held.value[endings.hold[m]]), int(endings.begin_ns[m])) for m in moved}
    back = [key in since for key in zip(again.value.tolist(), again.free_ns.tolist(), strict=True)]
    return np.concatenate([np.zeros(skip, np.bool_), np.array(back, np.bool_)])


def _keyed(stays: Episodes, sent_back: Mask) -> Episodes:
    """Order the stays that began with a release to another place by that release."""
    if not sent_back.any():
        return stays
    return replace(
        stays,
        key_ns=np.where(sent_back, stays.free_ns, stays.key_ns),
        surely_key_ns=np.where(sent_back, stays.surely_free_ns, stays.surely_key_ns),
    )
