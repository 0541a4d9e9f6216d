"""Order with priorities and redelivery, from what clients saw alone."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checkers import Claim, checkers
from harness.checkers.episodes import episodes, unseen_holds
from harness.checkers.findings import acknowledged, conclude
from harness.checkers.order_witness import Case, explain
from harness.checkers.sweeps import Hidden, Swept, cover, left_behind, overtaken, whole
from harness.history import NEVER_NS, OK, RESERVE, TAKE, History
from harness.verdict import CheckResult

NAME = "priority-fifo"
Ints = NDArray[np.int64]


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
    Reasons: fifo-order, priority-order, false-empty. A call of unknown outcome may hide an item.
    Sound. Exact for `linearizable` where each item is delivered at most once and no reserve has an
    unknown outcome; else it can miss a violation that shows only if the order of tied or floating
    holds, the order in which overlapping puts were redelivered, or the items that unknown
    reserves hid, are searched: docs/checkers.md has the measured rate.
    Source: docs/checkers.md, "cover sweep"; Gibbons, Bruno and Phillips (1999) for the bare queue.
    """

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a claim of this order, and something to judge."""
        if claim.order not in ("linearizable", "snapshot", "stale"):
            return "claim: linearizable, snapshot or stale"
        return None if acknowledged(history) else "an acknowledged put"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Sweep at the level of the claim."""
        case = _case(history, claim)
        swept = _sweep(case, claim)
        violations, more = explain(history, case, swept, claim.order)
        details: dict[str, Any] = {
            "deliveries": int((case.stays.surely_taken_ns < NEVER_NS).sum()),
            "empty": len(case.empty_rows),
            "unknown_calls": len(case.hidden),
            "unknown_capacity": int(case.hidden.capacity.sum()),
        }
        if claim.order == "stale":
            details["staleness"] = _staleness(case)
        return conclude(NAME, history, violations, details=details, more=more)


def _case(history: History, claim: Claim) -> Case:
    stays = episodes(history, claim.redelivery)
    stays = stays.where(stays.surely_taken_ns >= stays.free_ns)  # ownership reports the others
    begin, until, alive, capacity = unseen_holds(history, forever=claim.redelivery == "tail")
    got = ((history.f == RESERVE) | (history.f == TAKE)) & (history.outcome == OK)
    rows = np.flatnonzero(got & (history.value < 0))
    return Case(
        stays=stays,
        empty_rows=rows,
        empties=(history.invoke_ns[rows], history.complete_ns[rows]),
        hidden=Hidden(begin=begin, until=until, alive=alive, capacity=capacity),
        by_delivery=(
            claim.redelivery == "origin" and not len(begin) and bool((stays.number > 0).any())
        ),
    )


def _sweep(case: Case, claim: Claim) -> Swept:
    stays, certain = case.stays, case.hidden.certain(case.stays)
    nothing = np.zeros(len(case.empty_rows), np.bool_)
    if claim.order == "stale":
        return Swept(bad=overtaken(stays, certain), bad_empty=nothing, taken_ns=stays.taken_ns)
    in_place = claim.redelivery == "origin"
    behind = left_behind(stays, stays.taken_ns, case.hidden, in_place=in_place)
    if claim.order == "snapshot":
        swept = whole(stays, case.empties, certain)
        return replace(swept, bad=swept.bad | behind)
    # An item that was hidden may have moved to the front, where it has another turn.
    moves = claim.redelivery in ("front", "unordered")
    keys = (stays.key_ns, stays.surely_key_ns)
    swept = cover(stays, case.empties, keys, case.hidden, ask=certain | (not moves))
    swept = replace(swept, bad=swept.bad | behind)
    return _by_first_delivery(case, swept) if case.by_delivery else swept


def _by_first_delivery(case: Case, swept: Swept) -> Swept:
    """Sweep again with items in the order of their first deliveries, which shows that of puts."""
    stays = case.stays
    tightened = replace(stays, taken_ns=swept.taken_ns)
    size = int(stays.value.max(initial=0)) + 1
    earliest, latest = np.zeros(size, np.int64), np.full(size, NEVER_NS, np.int64)
    first = stays.number == 0
    earliest[stays.value[first]] = stays.taken_ns[first]
    latest[stays.value[first]] = stays.surely_taken_ns[first]
    keys = (earliest[stays.value], latest[stays.value])
    again = cover(tightened, case.empties, keys, case.hidden, ask=~swept.bad)
    return Swept(
        bad=swept.bad | again.bad,
        bad_empty=swept.bad_empty | again.bad_empty,
        taken_ns=again.taken_ns,
    )


def _staleness(case: Case) -> dict[str, int]:
    swept = whole(case.stays, case.empties, case.hidden.certain(case.stays))
    return {"inversions": int(swept.bad.sum()), "false_empties": int(swept.bad_empty.sum())}
