"""One owner at a time: holds of an item never overlap; only its holder acknowledges it."""

from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.holds import DONE_OK, RETURNED, Holds, holds
from harness.checkers.evidence.notes import ends
from harness.checkers.evidence.violations import (
    SHOWN,
    Found,
    Violation,
    conclude,
    described,
    joined,
    named,
    nothing_shown,
)
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding
from harness.history.columns import INFO, NEVER_NS, OK, PUT, TAKE, History, Ints, Mask

NAME = "ownership"


@checkers.register(NAME)
class Ownership:
    """An item has one owner at a time, and only its owner can give it back or finish it.

    A hold begins between the call and the reply of its reserve. It surely lasts until the item is
    given back or the session may have ended; after an acknowledgement, for ever. O(n log n).
    Reasons:
        double-ownership        two holds of one item surely overlap
        redelivered-after-done  delivered after it had been acknowledged
        stale-ack               acknowledged by a process that no longer held it
        double-ack              one hold was ended twice
        ack-without-hold        ended by a process that cannot have held it, even unrecorded
        success-after-expiry    a call succeeded that began after its session was gone
        delivered-before-put    delivered before its put began
    Exact for what holds alone can show: a history with exclusive holds exists if and only if the
    sure parts are disjoint, and each hold that may have begun after its session's end has a moment
    at which no other surely lasts.
    """

    finds: ClassVar[frozenset[str]] = frozenset(
        {
            "ack-without-hold",
            "delivered-before-put",
            "double-ack",
            "double-ownership",
            "redelivered-after-done",
            "stale-ack",
            "success-after-expiry",
        }
    )

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Return None: any history has owners to compare, if perhaps none."""
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare the holds of each item."""
        violations, others = findings(history)
        details = {"holds": len(holds(history).row), "sessions_ended": int(_ended(history).sum())}
        return conclude(
            NAME, history, violations, doubts=nothing_shown(history), details=details, others=others
        )


def findings(history: History) -> Found:
    """Return the first violations of each kind, and the others without a description."""
    held = holds(history)
    found = (
        _overlaps(history, held),
        _floating(history, held),
        _kept(history, held),
        _double_acks(history, held),
        _acks_without_hold(history, held),
        _stale_acks(history, held),
        _after_expiry(history),
        _before_put(history, held),
    )
    return joined(found)


def _ended(history: History) -> Mask:
    mask: Mask = ends(history).alive_ns < NEVER_NS
    return mask


def _overlaps(history: History, held: Holds) -> Found:
    """Report holds that began while the one before of the same item surely lasted."""
    sure = np.flatnonzero(held.over_ns > held.held_ns)
    value, begin, over = held.value[sure], held.held_ns[sure], held.over_ns[sure]
    same = value[1:] == value[:-1]
    pairs = [
        (int(sure[place]), int(sure[place + 1]))
        for place in np.flatnonzero(same & (over[:-1] > begin[1:]))
    ]
    acks = _acks(held)
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
    rows = [int(held.row[first]), int(held.row[second])]
    rows += [int(acks[first])] if acks[first] >= 0 and not final else []
    return _said(kind, value, rows, f"{_who(history, held, first, second)}, {why}.")


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
    return described(
        history,
        "double-ownership",
        bad,
        held.value[bad],
        lambda place: _no_moment(history, held, place),
    )


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


def _no_moment(history: History, held: Holds, place: int) -> Violation:
    value = held.value[place]
    others = np.flatnonzero((held.value == value) & (held.over_ns > held.held_ns))
    rows = [int(held.row[place]), *(int(held.row[other]) for other in others[:3])]
    who = history.processes[held.process[place]]
    said = f"Item {history.values[value]!r} was delivered to process {who!r}, while others held it."
    return _said("double-ownership", history.values[value], rows, said)


def _kept(history: History, held: Holds) -> Found:
    """Report holds that began while the same process still held the item."""
    gave = np.zeros(len(held.row), np.bool_)
    ending = held.endings
    gave[ending.hold[(ending.hold >= 0) & (ending.kind != DONE_OK)]] = True
    order = np.lexsort((held.row, held.process, held.value))
    same = (held.value[order][1:] == held.value[order][:-1]) & ~gave[order][:-1]
    same &= held.process[order][1:] == held.process[order][:-1]
    again = np.flatnonzero(same & ~held.done[order][:-1])
    return described(
        history,
        "double-ownership",
        again,
        held.value[order[again]],
        lambda place: _twice(history, held, order[place : place + 2]),
    )


def _twice(history: History, held: Holds, pair: Ints) -> Violation:
    value, who = history.values[held.value[pair[0]]], history.processes[held.process[pair[0]]]
    said = f"Item {value!r} was delivered to process {who!r}, which still held it."
    return _said("double-ownership", value, [int(row) for row in held.row[pair]], said)


def _double_acks(history: History, held: Holds) -> Found:
    ending = held.endings
    final = np.flatnonzero(ending.final & (ending.hold >= 0))
    order = final[np.lexsort((ending.begin_ns[final], ending.hold[final]))]
    again = np.flatnonzero(ending.hold[order][1:] == ending.hold[order][:-1])
    return described(
        history,
        "double-ack",
        again,
        held.value[ending.hold[order[again]]],
        lambda place: _double_ack(history, held, order[place], order[place + 1]),
    )


def _double_ack(history: History, held: Holds, first: int, second: int) -> Violation:
    ending = held.endings
    hold = int(ending.hold[first])
    rows = [int(held.row[hold]), int(ending.row[first]), int(ending.row[second])]
    value = history.values[held.value[hold]]
    return _said("double-ack", value, rows, f"One hold of {value!r} was ended twice.")


def _acks_without_hold(history: History, held: Holds) -> Found:
    """Report ends of holds that their process never had, nor can have had unseen."""
    ending = held.endings
    alone = np.flatnonzero(ending.final & (ending.hold < 0))
    unseen = history.got(INFO)
    since = np.full(len(history.processes), NEVER_NS, np.int64)
    np.minimum.at(since, history.process[unseen], history.invoke_ns[unseen])
    rows = ending.row[alone]
    rows = rows[history.complete_ns[rows] < since[history.process[rows]]]
    return described(
        history,
        "ack-without-hold",
        rows,
        history.value[rows],
        lambda row: _ack_without_hold(history, row),
    )


def _ack_without_hold(history: History, row: int) -> Violation:
    value, who = history.values[history.value[row]], history.processes[history.process[row]]
    said = f"Process {who!r} ended a hold of {value!r} that it never had."
    return _said("ack-without-hold", value, [row], said)


def _stale_acks(history: History, held: Holds) -> Found:
    """Report holds that were acknowledged after the item had been returned."""
    ending = held.endings
    away = np.zeros(len(held.row), np.bool_)
    away[ending.hold[(ending.hold >= 0) & (ending.kind == RETURNED)]] = True
    stale = np.flatnonzero(away & held.done)
    return described(
        history,
        "stale-ack",
        stale,
        held.value[stale],
        lambda place: _stale_ack(history, held, place),
    )


def _stale_ack(history: History, held: Holds, place: int) -> Violation:
    value = history.values[held.value[place]]
    rows = [int(held.row[place]), int(_acks(held)[place])]
    said = f"Item {value!r} was made available again, and its former owner still acknowledged it."
    return _said("stale-ack", value, [row for row in rows if row >= 0], said)


def _after_expiry(history: History) -> Found:
    ended = ends(history)
    gone_ns = np.minimum(ended.gone_ns, ended.recovered_ns)[history.process]
    late = (history.outcome == OK) & (history.invoke_ns > gone_ns)
    late &= (history.f != PUT) & (history.value >= 0)  # puts and reads need no registration
    rows = np.flatnonzero(late)
    return described(
        history,
        "success-after-expiry",
        rows,
        history.value[rows],
        lambda row: _late(history, row),
    )


def _late(history: History, row: int) -> Violation:
    call = history.operation(row)
    said = f"A {call.f} of {call.value!r} succeeded after the session of {call.process!r} was gone."
    return _said("success-after-expiry", call.value, [row], said)


def _before_put(history: History, held: Holds) -> Found:
    put = put_rows(history)[held.value]
    early = (put >= 0) & (held.held_ns < history.invoke_ns[put])
    places = np.flatnonzero(early)
    return described(
        history,
        "delivered-before-put",
        places,
        held.value[places],
        lambda place: _early(history, held, place),
    )


def _early(history: History, held: Holds, place: int) -> Violation:
    value = history.values[held.value[place]]
    rows = [int(put_rows(history)[held.value[place]]), int(held.row[place])]
    said = f"Item {value!r} was delivered before its put began."
    return _said("delivered-before-put", value, rows, said)


def _acks(held: Holds) -> Ints:
    """Return the row of each hold's first acknowledgement that succeeded; -1 without one."""
    ending, rows = held.endings, np.full(len(held.row), -1, np.int64)
    places = np.flatnonzero((ending.hold >= 0) & (ending.kind == DONE_OK))[::-1]
    rows[ending.hold[places]] = ending.row[places]
    return rows


def _said(reason: str, value: int | str | None, rows: list[int], sentence: str) -> Violation:
    values = () if value is None else (value,)
    return Violation(reason=reason, sentence=sentence, rows=tuple(rows), values=values)
