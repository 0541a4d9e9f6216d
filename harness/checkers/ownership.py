"""One owner at a time: holds of an item never overlap; only its holder acknowledges it."""

from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.holds import RETURNED, Holds, first_acks, holds
from harness.checkers.evidence.notes import ends, reaped_ns
from harness.checkers.evidence.overlapping_holds import overlapping
from harness.checkers.evidence.violations import (
    Found,
    Violation,
    conclude,
    described,
    joined,
    nothing_shown,
)
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import INFO, NEVER_NS, OK, PUT, History, Mask

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
        taken-from-the-living   items were returned as those of a dead consumer, and it went on
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
            "taken-from-the-living",
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
        overlapping(history, held),
        _double_acks(history, held),
        _acks_without_hold(history, held),
        _stale_acks(history, held),
        _after_expiry(history),
        _of_the_living(history),
        _before_put(history, held),
    )
    return joined(found)


def _ended(history: History) -> Mask:
    mask: Mask = ends(history).alive_ns < NEVER_NS
    return mask


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
    return Violation.of("double-ack", value, rows, f"One hold of {value!r} was ended twice.")


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
    return Violation.of("ack-without-hold", value, [row], said)


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
    rows = [int(held.row[place]), int(first_acks(held)[place])]
    said = f"Item {value!r} was made available again, and its former owner still acknowledged it."
    return Violation.of("stale-ack", value, [row for row in rows if row >= 0], said)


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
    return Violation.of("success-after-expiry", call.value, [row], said)


def _of_the_living(history: History) -> Found:
    """Report the first change of each registration after somebody had returned its items as dead.

    What it holds is given to others while it works on it, even if its acknowledgement is refused.
    """
    late = (history.outcome == OK) & (history.f != PUT) & (history.value >= 0)
    late &= history.invoke_ns > reaped_ns(history)[history.process]
    rows = np.flatnonzero(late)
    rows = rows[np.unique(history.process[rows], return_index=True)[1]]
    return described(
        history,
        "taken-from-the-living",
        rows,
        history.value[rows],
        lambda row: _living(history, row),
    )


def _living(history: History, row: int) -> Violation:
    call = history.operation(row)
    said = f"A {call.f} of {call.value!r} succeeded after items of {call.process!r} had been "
    said += "returned, as if it were dead."
    return Violation.of("taken-from-the-living", call.value, [row], said)


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
    return Violation.of("delivered-before-put", value, rows, said)
