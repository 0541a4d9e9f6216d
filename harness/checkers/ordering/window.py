"""Relaxed order: a consumer passes over fewer smaller items than its window has places."""

from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import Episodes
from harness.checkers.evidence.looks import crowd, outnumbered
from harness.checkers.evidence.order_witness import SweepInput
from harness.checkers.evidence.violations import (
    SHOWN,
    Violation,
    beyond_shown,
    conclude,
    nothing_shown,
)
from harness.checkers.evidence.zxid_axis import axis, by_zxid, looked_at
from harness.checkers.ordering import priority_fifo
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import NEVER_NS, OK, History, Ints, Mask

NAME = "window"
_NAMED = 5


@checkers.register(NAME)
class Window:
    """When an item is claimed, at most W-1 smaller ones are available; W is recorded with it.

    An item is smaller if its priority is more urgent, or if it was put at a smaller zxid. It counts
    if it was available in the state in which the consumer looked, and ever since; that may be any
    state with the delivered item in it and, with `sync`, no older than the call. O(n log n), and
    O(log n) for each item passed over. Reason:
        window-exceeded    W smaller items or more were available
    A delivery without W or zxid is not judged (details.without_window). How often an item is
    passed over has no bound, so it is not judged either. Exact if all zxids are known and all
    outcomes; of the items that unknown calls may have held, as many do not count as these asked
    for. UNKNOWN (`few-windows`) if most deliveries are
    not judged.
    Source: docs/checkers.md, `claim: window`.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"window-exceeded"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for the claim, zxids and windows."""
        if claim.level != "window":
            return "claim: window"
        if not len(axis(history).zxids):
            return "zxids"
        return None if (history.window > 0).any() else "the window of each delivery"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Count the smaller items of each delivery."""
        view = by_zxid(history)
        case = priority_fifo.case_of(view)
        stays, certain = case.stays, case.hidden.certain(case.stays)
        delivered = np.flatnonzero(stays.surely_taken_ns < NEVER_NS)
        asked = delivered[_judged(history, stays, delivered)]
        looked, most = (
            looked_at(history, stays, called=claim.sync),
            history.window[stays.row[asked]],
        )
        passed = crowd(stays, certain, asked, looked, most.astype(np.int64))
        sure, hidden = asked[passed >= most], case.hidden
        more = outnumbered(stays, hidden, asked, looked, most - 1) if len(hidden) else sure
        bad = np.union1d(sure, more)
        found = [
            _exceeded(history, case, looked, int(stay), sure=stay in sure) for stay in bad[:SHOWN]
        ]
        lacking = _deliveries(history) - len(asked)
        return conclude(
            NAME,
            history,
            found,
            doubts=nothing_shown(history) + ["few-windows"] * (lacking > len(asked)),
            details={
                "deliveries": len(asked),
                "without_window": lacking,
                "widest": int(most.max(initial=0)),
                "most_passed": int(passed.max(initial=0)),
            },
            others=beyond_shown("window-exceeded", history, stays.value[bad]),
        )


def _judged(history: History, stays: Episodes, delivered: Ints) -> Mask:
    row = stays.row[delivered]
    known = stays.taken_ns[delivered] == stays.surely_taken_ns[delivered]
    mask: Mask = known & (history.window[row] > 0) & (history.zxid[row] >= 0)
    return mask


def _deliveries(history: History) -> int:
    got = history.got(OK)
    return int((got & (history.value >= 0)).sum())


def _exceeded(
    history: History, case: SweepInput, looked: Ints, stay: int, *, sure: bool
) -> Violation:
    stays, hides = case.stays, int(case.hidden.at_most(case.stays.surely_taken_ns[[stay]])[0])
    same = stays.priority == stays.priority[stay]
    ahead = (stays.priority < stays.priority[stay]) | (
        same & (stays.surely_key_ns < stays.key_ns[stay])
    )
    ahead &= case.hidden.certain(stays) if sure else np.ones(len(stays), np.bool_)
    ahead &= stays.surely_free_ns < looked[stay]
    passed = np.flatnonzero(ahead & (stays.taken_ns > stays.surely_taken_ns[stay]))
    passed = passed[np.lexsort((stays.key_ns[passed], stays.priority[passed]))]
    names = [history.values[value] for value in stays.value[passed[:_NAMED]]]
    value, width = history.values[stays.value[stay]], int(history.window[stays.row[stay]])
    more = ", …" if len(passed) > _NAMED else ""
    rows = [stays.put_row[stay], stays.row[stay], *stays.put_row[passed[:_NAMED]]]
    said = (
        f"Item {value!r} was delivered while {len(passed)} smaller items were available "
        f"({', '.join(map(repr, names))}{more}), and its window was {width}"
        f"{'' if sure else f'; calls of unknown outcome can have had {hides} of them'}."
    )
    return Violation.of("window-exceeded", said, rows, value, *names)
