"""Order with priorities and redelivery, from what clients saw alone."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import Episodes, episodes
from harness.checkers.evidence.hidden import PROBES, hidden_holds
from harness.checkers.evidence.looks import never_empty, outnumbered, whole
from harness.checkers.evidence.order_witness import SweepInput, explain
from harness.checkers.evidence.sweeps import (
    DueOrder,
    Swept,
    cover,
    hideable,
    left_behind,
    overtaken,
)
from harness.checkers.evidence.violations import conclude, nothing_shown
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import NEVER_NS, OK, History, Mask

NAME = "priority-fifo"


@checkers.register(NAME)
class PriorityFifo:
    """The smallest priority is served first, and within it the earliest put; returns included.

    O(n log n). What is judged depends on the claim:
        linearizable    each delivery was of the head at some moment of its call; "empty" was said
                        of a queue in which nothing was available
        snapshot        no delivery, and no "empty", while one single better item was available
                        during the whole of the call
        stale           first deliveries of one priority come in the order of their puts; the rest
                        is only counted, in details.staleness
    Reasons: fifo-order, priority-order, false-empty. A call of unknown outcome may hide as many
    items as it asked for.
    Sound. Exact for `linearizable` where each item is delivered at most once and no reserve has an
    unknown outcome; else it can miss a violation that shows only if the order of tied or floating
    holds, the order in which overlapping puts were redelivered, or the items that unknown
    reserves hid, are searched: docs/oracle.md has the measured rate.
    Source: docs/checkers.md, "cover sweep"; Gibbons, Bruno and Phillips (1999) for the bare queue.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"false-empty", "fifo-order", "priority-order"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a claim of this order."""
        if claim.level not in ("linearizable", "snapshot", "stale"):
            return "claim: linearizable, snapshot or stale"
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Sweep at the level of the claim."""
        case = case_of(history)
        swept = swept_by(case, claim)
        violations, others = explain(history, case, swept, claim.level)
        details: dict[str, Any] = {
            "deliveries": int((case.stays.surely_taken_ns < NEVER_NS).sum()),
            "empty": len(case.empty_rows),
            "unknown_calls": len(case.hidden),
            "unknown_capacity": int(case.hidden.capacity.sum()),
        }
        if claim.level == "stale":
            details["staleness"] = _staleness(case)
        return conclude(
            NAME, history, violations, doubts=nothing_shown(history), details=details, others=others
        )


def case_of(history: History) -> SweepInput:
    """Return what there is to judge: stays, calls that found nothing, unknown calls."""
    stays = episodes(history)
    stays = stays.where(stays.surely_taken_ns >= stays.free_ns)  # ownership reports the others
    rows = np.flatnonzero(history.got(OK) & (history.value < 0))
    return SweepInput(
        stays=stays,
        empty_rows=rows,
        empties=(history.invoke_ns[rows], history.complete_ns[rows]),
        looked_ns=stays.taken_ns,
        hidden=hidden_holds(history),
        by_delivery=bool((stays.number > 0).any()),
    )


def swept_by(case: SweepInput, claim: Claim) -> Swept:
    """Return which deliveries and empties no queue of this claim has."""
    stays, certain = case.stays, case.hidden.certain(case.stays)
    if claim.level == "stale":
        nothing = np.zeros(len(case.empty_rows), np.bool_)
        bad = overtaken(stays, certain) | _outnumbered_first(case)
        return Swept(bad=bad, bad_empty=nothing, taken_ns=stays.taken_ns)
    if claim.level == "snapshot":
        swept = from_looks(case)
    else:
        line = _line(case, certain)
        swept, certain = _linearizable(case, line), line.certain
    behind = left_behind(stays, case.hidden, certain)
    return replace(swept, bad=swept.bad | behind)


def from_looks(case: SweepInput) -> Swept:
    """Return which deliveries and empties nobody can have who lists the queue once, and claims."""
    stays, hidden = case.stays, case.hidden
    swept = whole(stays, case.empties, hidden.certain(stays), case.looked_ns)
    if not len(hidden):
        return swept
    bad = swept.bad.copy()
    asked = np.flatnonzero(stays.surely_taken_ns < NEVER_NS)
    bad[outnumbered(stays, hidden, asked, case.looked_ns)] = True
    empty = swept.bad_empty | never_empty(stays, hidden, case.empties)
    return replace(swept, bad=bad, bad_empty=empty)


def _outnumbered_first(case: SweepInput) -> Mask:
    """Return first deliveries that more items of their priority should have come before.

    More than calls of unknown outcome can have had.
    """
    stays, bad = case.stays, np.zeros(len(case.stays), np.bool_)
    if not len(case.hidden):
        return bad
    first = np.flatnonzero(stays.number == 0)
    for priority in np.unique(stays.priority[first]):
        mine = first[stays.priority[first] == priority]
        some = stays.where(mine)
        asked = np.flatnonzero(some.surely_taken_ns < NEVER_NS)
        bad[mine[outnumbered(some, case.hidden, asked, some.free_ns)]] = True
    return bad


def _line(case: SweepInput, certain: Mask) -> DueOrder:
    """Order the stays by their puts or returns, and see which of them unknown calls can hide."""
    keys = {"key_ns": case.stays.key_ns, "surely_key_ns": case.stays.surely_key_ns}
    line = DueOrder(**keys, hidden=case.hidden, certain=certain)
    if not len(case.hidden):
        return line
    return replace(line, certain=certain | ~hideable(case.stays, line))


def _linearizable(case: SweepInput, line: DueOrder) -> Swept:
    swept = cover(case.stays, case.empties, line, np.ones(len(case.stays), np.bool_))
    for again in (_by_first_delivery, _before_a_return, _after_the_session):
        swept = again(case, line, swept)
    return swept


def _by_first_delivery(case: SweepInput, line: DueOrder, swept: Swept) -> Swept:
    """Sweep again with items in the order of their first deliveries, which shows that of puts.

    Had the later one been put first, it would have been delivered first, unless it was hidden: so
    what some call may have hidden is compared only with deliveries while no call hid anything.
    """
    if not case.by_delivery:
        return swept
    stays = case.stays
    size = int(stays.value.max(initial=0)) + 1
    # What was not delivered is behind all of its priority, and still ahead of the next one.
    earliest, latest = np.zeros(size, np.int64), np.full(size, NEVER_NS - 1, np.int64)
    seen, first = np.zeros(size, np.bool_), stays.number == 0
    earliest[stays.value[first]] = stays.taken_ns[first]
    latest[stays.value[first]] = np.minimum(stays.surely_taken_ns[first], NEVER_NS - 1)
    seen[stays.value[first]] = line.certain[first]
    key_ns, surely_key_ns = earliest[stays.value], latest[stays.value]
    delivered = replace(line, key_ns=key_ns, surely_key_ns=surely_key_ns)
    in_order = replace(stays, key_ns=key_ns, surely_key_ns=surely_key_ns)
    behind = left_behind(in_order, line.hidden, line.certain)
    swept = replace(swept, bad=swept.bad | (behind & seen[stays.value]))
    swept = _again(case, swept, stays, delivered, seen[stays.value])
    if not len(line.hidden):
        return swept
    clear = np.zeros(size, np.bool_)
    clear[stays.value[first]] = line.hidden.none_during(
        stays.taken_ns[first], stays.surely_taken_ns[first]
    )
    shown_ns = np.where(clear[stays.value], surely_key_ns, NEVER_NS - 1)
    unhidden = replace(delivered, surely_key_ns=shown_ns)
    return _again(case, swept, stays, unhidden, ~seen[stays.value])


def _before_a_return(case: SweepInput, line: DueOrder, swept: Swept) -> Swept:
    """Sweep again with items that some calls cannot have hidden: delivered before their return."""
    stays, hidden = case.stays, line.hidden
    returns_ns = np.unique(hidden.alive)[1:]
    if len(returns_ns) * len(stays) > PROBES:
        return swept
    for alive_ns in returns_ns:
        early = stays.surely_taken_ns < alive_ns
        free_ns = np.where(early, stays.surely_free_ns, NEVER_NS)
        fewer = replace(line, hidden=hidden.where(hidden.alive < alive_ns))
        some = replace(stays, surely_free_ns=free_ns)
        swept = _again(case, swept, some, fewer, np.ones(len(stays), np.bool_))
    return swept


def _after_the_session(case: SweepInput, line: DueOrder, swept: Swept) -> Swept:
    """Sweep again for items that came back with their session: so did what it held unseen."""
    stays, hidden = case.stays, line.hidden
    processes = np.intersect1d(stays.freed_by, hidden.process)
    if len(processes) * len(stays) > PROBES:
        return swept
    for process in processes:
        others = hidden.where(hidden.process != process)
        alone = replace(line, hidden=others, certain=line.certain | others.certain(stays))
        again = _again(case, swept, stays, alone, stays.freed_by == process)
        swept = replace(again, bad_empty=swept.bad_empty)
    return swept


def _again(case: SweepInput, swept: Swept, stays: Episodes, line: DueOrder, ask: Mask) -> Swept:
    """Sweep again from earlier results: deliveries only move later, and bad ones remain bad."""
    tight = replace(stays, taken_ns=swept.taken_ns)
    again = cover(tight, case.empties, line, ask & ~swept.bad)
    return Swept(
        bad=swept.bad | again.bad,
        bad_empty=swept.bad_empty | again.bad_empty,
        taken_ns=again.taken_ns,
    )


def _staleness(case: SweepInput) -> dict[str, int]:
    certain = case.hidden.certain(case.stays)
    swept = whole(case.stays, case.empties, certain, case.looked_ns)
    return {"inversions": int(swept.bad.sum()), "false_empties": int(swept.bad_empty.sum())}
