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
    Proof,
    conclude,
    joined,
    nothing_shown,
    proved,
)
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import INFO, NEVER_NS, OK, PUT, History, Mask
from harness.history.record import Value

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
    hold = ending.hold[order]
    again = np.flatnonzero(hold[1:] == hold[:-1])

    def prove(item: Value, place: int) -> Proof:
        rows = [held.row[hold[place]], *ending.row[order[place : place + 2]]]
        return f"One hold of {item!r} was ended twice.", rows

    return proved(history, "double-ack", again, held.value[hold[again]], prove)


def _acks_without_hold(history: History, held: Holds) -> Found:
    """Report ends of holds that their process never had, nor can have had unseen."""
    ending = held.endings
    alone = np.flatnonzero(ending.final & (ending.hold < 0))
    unseen = history.got(INFO)
    since = np.full(len(history.processes), NEVER_NS, np.int64)
    np.minimum.at(since, history.process[unseen], history.invoke_ns[unseen])
    rows = ending.row[alone]
    rows = rows[history.complete_ns[rows] < since[history.process[rows]]]

    def prove(item: Value, row: int) -> Proof:
        who = history.processes[history.process[row]]
        return f"Process {who!r} ended a hold of {item!r} that it never had.", [row]

    return proved(history, "ack-without-hold", rows, history.value[rows], prove)


def _stale_acks(history: History, held: Holds) -> Found:
    """Report holds that were acknowledged after the item had been returned."""
    ending = held.endings
    away = np.zeros(len(held.row), np.bool_)
    away[ending.hold[(ending.hold >= 0) & (ending.kind == RETURNED)]] = True
    stale = np.flatnonzero(away & held.done)

    def prove(item: Value, place: int) -> Proof:
        said = f"Item {item!r} was made available again, and its former owner still acknowledged it"
        return f"{said}.", [held.row[place], first_acks(held)[place]]

    return proved(history, "stale-ack", stale, held.value[stale], prove)


def _after_expiry(history: History) -> Found:
    ended = ends(history)
    gone_ns = np.minimum(ended.gone_ns, ended.recovered_ns)[history.process]
    # Puts and reads need no registration.
    rows = np.flatnonzero(_changes(history) & (history.invoke_ns > gone_ns))

    def prove(item: Value, row: int) -> Proof:
        call = history.operation(row)
        said = f"A {call.f} of {item!r} succeeded after the session of {call.process!r} was gone."
        return said, [row]

    return proved(history, "success-after-expiry", rows, history.value[rows], prove)


def _of_the_living(history: History) -> Found:
    """Report the first change of each registration after somebody had returned its items as dead.

    What it holds is given to others while it works on it, even if its acknowledgement is refused.
    """
    late = _changes(history) & (history.invoke_ns > reaped_ns(history)[history.process])
    rows = np.flatnonzero(late)
    rows = rows[np.unique(history.process[rows], return_index=True)[1]]

    def prove(item: Value, row: int) -> Proof:
        call = history.operation(row)
        said = f"A {call.f} of {item!r} succeeded after items of {call.process!r} had been "
        return f"{said}returned, as if it were dead.", [row]

    return proved(history, "taken-from-the-living", rows, history.value[rows], prove)


def _changes(history: History) -> Mask:
    mask: Mask = (history.outcome == OK) & (history.f != PUT) & (history.value >= 0)
    return mask


def _before_put(history: History, held: Holds) -> Found:
    put = put_rows(history)[held.value]
    early = np.flatnonzero((put >= 0) & (held.held_ns < history.invoke_ns[put]))

    def prove(item: Value, place: int) -> Proof:
        return f"Item {item!r} was delivered before its put began.", [put[place], held.row[place]]

    return proved(history, "delivered-before-put", early, held.value[early], prove)
