"""Holds of one item that surely overlap: the part of `ownership` about two owners at once."""

import numpy as np

from harness.checkers.evidence.holds import DONE_OK, Holds, first_acks
from harness.checkers.evidence.notes import ends
from harness.checkers.evidence.violations import (
    SHOWN,
    Found,
    Proof,
    Violation,
    joined,
    named,
    proved,
)
from harness.common.verdict import Finding
from harness.history.columns import NEVER_NS, TAKE, History, Ints, Mask
from harness.history.record import Value


def overlapping(history: History, held: Holds) -> Found:
    """Return holds that surely began while another hold of their item lasted."""
    return joined((_overlaps(history, held), _floating(history, held), _kept(history, held)))


def _overlaps(history: History, held: Holds) -> Found:
    """Report holds that began while the one before of the same item surely lasted."""
    sure = np.flatnonzero(held.over_ns > held.held_ns)
    value, begin, over = held.value[sure], held.held_ns[sure], held.over_ns[sure]
    same = value[1:] == value[:-1]
    pairs = [
        (int(sure[place]), int(sure[place + 1]))
        for place in np.flatnonzero(same & (over[:-1] > begin[1:]))
    ]
    acks = first_acks(held)
    rest = np.array([first for first, _ in pairs[SHOWN:]], np.int64)
    kinds = np.array([_kind(history, held, acks, *pair) for pair in pairs[SHOWN:]], np.str_)
    others = [
        Finding(reason=str(kind), count=int((kinds == kind).sum()), values=tuple(items))
        for kind in np.unique(kinds)
        if (items := named(history, held.value[rest[kinds == kind]]))
    ]
    return [_overlap(history, held, acks, *pair) for pair in pairs[:SHOWN]], others


_WHY = {
    "redelivered-after-done": "though it had been acknowledged before",
    "stale-ack": "and the first, whose session had ended, still acknowledged it",
    "double-ownership": "and the first had not given it back",
}


def _overlap(history: History, held: Holds, acks: Ints, first: int, second: int) -> Violation:
    value, kind = history.values[held.value[first]], _kind(history, held, acks, first, second)
    final = history.f[held.row[first]] == TAKE
    why = "though a take is final" if final else _WHY[kind]
    rows = [held.row[first], held.row[second], *([] if final else [acks[first]])]
    return Violation.of(kind, f"{_who(history, held, first, second)}, {why}.", rows, value)


def _kind(history: History, held: Holds, acks: Ints, first: int, second: int) -> str:
    """Return the reason for which the second hold must not have begun."""
    if history.f[held.row[first]] == TAKE:
        return "redelivered-after-done"
    acked = acks[first]
    if acked >= 0 and history.complete_ns[acked] < held.begin_ns[second]:
        return "redelivered-after-done"
    if acked >= 0 and ends(history).alive_ns[held.process[first]] < NEVER_NS:
        return "stale-ack"
    return "double-ownership"


def _who(history: History, held: Holds, first: int, second: int) -> str:
    value = history.values[held.value[first]]
    one, other = (history.processes[held.process[hold]] for hold in (first, second))
    return f"Item {value!r} was delivered to process {one!r}, then to process {other!r}"


def _floating(history: History, held: Holds) -> Found:
    """Report holds that may have begun late, and have no moment at which no other lasted."""
    floating = np.flatnonzero(held.over_ns <= held.held_ns)
    sure = held.over_ns > held.held_ns
    bad = np.array([at for at in floating if not _has_moment(held, sure, int(at))], np.int64)

    def prove(item: Value, place: int) -> Proof:
        others = np.flatnonzero((held.value == held.value[place]) & sure)
        who = history.processes[held.process[place]]
        said = f"Item {item!r} was delivered to process {who!r}, while others held it."
        return said, [held.row[place], *held.row[others[:3]]]

    return proved(history, "double-ownership", bad, held.value[bad], prove)


def _has_moment(held: Holds, sure: Mask, place: int) -> bool:
    """Tell whether the hold can have begun at a moment that lies inside no sure hold."""
    value = held.value[place]
    span = slice(*np.searchsorted(held.value, [value, value + 1]))
    begin, over = held.held_ns[span][sure[span]], held.over_ns[span][sure[span]]
    at_ns = max(held.begin_ns[place], min(held.over_ns[place], held.held_ns[place]))
    for first_ns, past_ns in zip(begin, over, strict=True):
        if first_ns < at_ns < past_ns:
            at_ns = past_ns
    return bool(at_ns <= held.held_ns[place])


def _kept(history: History, held: Holds) -> Found:
    """Report holds that began while the same process still held the item."""
    gave = np.zeros(len(held.row), np.bool_)
    ending = held.endings
    gave[ending.hold[(ending.hold >= 0) & (ending.kind != DONE_OK)]] = True
    order = np.lexsort((held.row, held.process, held.value))
    same = (held.value[order][1:] == held.value[order][:-1]) & ~gave[order][:-1]
    same &= held.process[order][1:] == held.process[order][:-1]
    again = np.flatnonzero(same & ~held.done[order][:-1])

    def prove(item: Value, place: int) -> Proof:
        who = history.processes[held.process[order[place]]]
        said = f"Item {item!r} was delivered to process {who!r}, which still held it."
        return said, held.row[order[place : place + 2]]

    return proved(history, "double-ownership", again, held.value[order[again]], prove)
