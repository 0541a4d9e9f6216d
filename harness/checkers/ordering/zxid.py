"""The exact check: in the order of their zxids, all calls are one run of a correct queue."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from harness.checkers import checkers, ownership
from harness.checkers.evidence.item_lives import by_item
from harness.checkers.evidence.notes import ends, returns
from harness.checkers.evidence.order_witness import SweepInput, explain
from harness.checkers.evidence.sweeps import Swept, left_behind
from harness.checkers.evidence.violations import (
    SHOWN,
    Found,
    Proof,
    Violation,
    conclude,
    joined,
    named,
    nothing_shown,
    proved,
)
from harness.checkers.evidence.zxid_axis import (
    axis,
    by_zxid,
    by_zxid_and_reads,
    left_open,
    looked_at,
)
from harness.checkers.ordering import priority_fifo
from harness.checkers.ownership import Ownership
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding
from harness.history.columns import INFO, OK, RELEASE, History, Ints, Mask, by_process
from harness.history.record import Value

NAME = "zxid"


@checkers.register(NAME)
class Zxid:
    """In the order of their zxids all calls are a legal run of the queue, and agree with real time.

    No search, O(n log n). A call with a zxid took effect at that point; one that found nothing saw
    the state of its read_zxid. A call without either, such as one of unknown outcome, may have
    taken effect wherever real time allows, and never counts against the queue. Reasons:
        real-time       begun after another call was over, with a zxid that is not larger, or
                        after an earlier call of its own process, with a smaller one; for
                        `linearizable` also: found nothing in a state older than the call
        never-put       delivered, though no put of it can have taken effect
        delivery-count  an item's deliveries are not counted 1, 2, 3, ...
        double-ownership, redelivered-after-done, stale-ack, double-ack, ack-without-hold,
        success-after-expiry, taken-from-the-living, delivered-before-put    as in `ownership`, by
                        zxid
        fifo-order, priority-order    an item ahead was available, in the state in which the
                        consumer looked and ever since
        false-empty     at its read_zxid an item was available
    The claim says which state the consumer looked at:
        linearizable    that of the delivery itself
        snapshot        any since the call began in which the item was there
        stale           any since the item was there
        window, unordered    order is not judged here
    Exact if every call and every session's end knows its zxid. Calls that share one, in a
    transaction, may be in any order; the parts of one call keep theirs. It can miss violations
    that show only in a search over the items that unknown calls hid and the places of unknown
    puts: docs/oracle.md has the measured rate. UNKNOWN (`few-zxids`) if most successful calls
    have no zxid.
    Source: ZooKeeper applies all writes in the order of their zxids.
    """

    finds: ClassVar[frozenset[str]] = Ownership.finds | {
        "real-time",
        "never-put",
        "delivery-count",
        "fifo-order",
        "priority-order",
        "false-empty",
    }

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a successful call that knows its zxid."""
        return None if len(axis(history).zxids) else "zxids"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Check real time first: if that is violated, the order of zxids proves nothing."""
        violations, others = _real_time(history, claim)
        if not violations:
            violations, others = _legal(history, claim)
        lacking, known = _lacking(history), len(axis(history).commits.row)
        doubts = nothing_shown(history) + ["few-zxids"] * (lacking > known)
        details = {
            "known": known,
            "ok_without_zxid": lacking,
            "unknown_calls": int((history.outcome == INFO).sum()),
            "left_open": int(left_open(history).sum()),
        }
        return conclude(NAME, history, violations, doubts=doubts, details=details, others=others)


def _lacking(history: History) -> int:
    zxid = np.where(history.value >= 0, history.zxid, history.read_zxid)
    return int(((history.outcome == OK) & (zxid < 0)).sum())


def _legal(history: History, claim: Claim) -> Found:
    view = (by_zxid_and_reads if claim.level == "linearizable" else by_zxid)(history)
    found = [
        ownership.findings(view),
        _at_once(history),
        (by_item(history, view), []),
        _order(history, view, claim),
    ]
    return joined(found)


def _at_once(history: History) -> Found:
    """Deliveries of one item at one zxid: a transaction gives it to one, or takes it back as well.

    What ended the first at a zxid that is not known was another transaction.
    """
    row = np.flatnonzero(history.got(OK) & (history.value >= 0) & (history.zxid >= 0))
    row = row[np.lexsort((row, history.zxid[row], history.value[row]))]
    one, other = row[:-1], row[1:]
    same = (history.value[one] == history.value[other]) & (history.zxid[one] == history.zxid[other])
    twice = np.flatnonzero(same)
    twice = twice[~_given_back(history, history.value[one[twice]], history.zxid[one[twice]])]

    def prove(item: Value, at: int) -> Proof:
        first, second = history.operation(one[at]), history.operation(other[at])
        said = f"Item {item!r} was delivered to process {first.process!r} and to process "
        said += f"{second.process!r} at the same zxid {first.zxid:#x}, which did not take it back."
        return said, [one[at], other[at]]

    return proved(history, "double-ownership", twice, history.value[one[twice]], prove)


def _given_back(history: History, value: Ints, zxid: Ints) -> Mask:
    """Return whether the items were given back at these zxids, or a session ended."""
    notes, released = returns(history), np.flatnonzero(history.is_(RELEASE, OK))
    values = np.concatenate([notes.value, history.value[released]])
    zxids = np.concatenate([notes.zxid, history.zxid[released]])
    size, known, rank = len(history.values) + 1, zxids >= 0, axis(history).rank
    back = np.isin(rank(zxid) * size + value, rank(zxids[known]) * size + values[known])
    return back | np.isin(zxid, ends(history).zxid)


def _real_time(history: History, claim: Claim) -> Found:
    """Report commits whose zxid is not larger than those of all calls over before they began."""
    places = axis(history)
    commits = places.commits
    which = places.newest(commits.begin_ns)
    newest = np.append(commits.rank, [0])[which]
    late = np.where(commits.reads, newest > commits.rank, newest >= commits.rank)
    late &= ~commits.reads | (claim.level == "linearizable")
    bad = np.flatnonzero(late)
    bad = bad[np.argsort(newest[bad] - commits.rank[bad], kind="stable")]
    pairs = [(int(place), int(which[place])) for place in bad] or _backwards(history)
    found = [_disagreement(history, *pair) for pair in pairs[:SHOWN]]
    rest = [int(places.commits.row[place]) for place, _ in pairs[SHOWN:]]
    items = [row for row in rest if row >= 0 and history.value[row] >= 0]
    values = tuple(named(history, history.value[items]))
    others = Finding(reason="real-time", count=len(rest), values=values)
    return found, [others] if rest else []


def _backwards(history: History) -> list[tuple[int, int]]:
    """Return pairs of writes of one process of which the later has the smaller zxid.

    A process makes one call at a time, so its calls have an order whatever the clock says.
    """
    commits = axis(history).commits
    written = np.flatnonzero((commits.row >= 0) & ~commits.reads)
    place = np.full(len(history), -1, np.int64)
    place[commits.row[written]] = written
    writes = place[by_process(history)]
    writes = writes[writes >= 0]
    row, rank = commits.row[writes], commits.rank[writes]
    same = history.process[row[1:]] == history.process[row[:-1]]
    bad = np.flatnonzero(same & (rank[1:] < rank[:-1]))
    return [(int(writes[at + 1]), int(writes[at])) for at in bad]


def _disagreement(history: History, place: int, over: int) -> Violation:
    commits, zxids = axis(history).commits, axis(history).zxids
    rows = [int(commits.row[which]) for which in (over, place) if commits.row[which] >= 0]
    first, second = (_named(history, int(commits.row[which])) for which in (over, place))
    one, other = (int(zxids[commits.rank[which] - 1]) for which in (over, place))
    saw = "saw only the state of" if commits.reads[place] else "has"
    said = f"Though {first} was over when {second} began, the second {saw} zxid {other:#x}, "
    items = (history.operation(row).value for row in rows)
    return Violation.of("real-time", f"{said}not above {one:#x}.", rows, *items)


def _named(history: History, row: int) -> str:
    if row < 0:
        return "a session's end or its items' return"
    call = history.operation(row)
    return f"the {call.f} of {call.value!r}" if call.value is not None else f"an empty {call.f}"


def _order(history: History, view: History, claim: Claim) -> Found:
    case = priority_fifo.case_of(view)
    if claim.level == "linearizable":
        return explain(view, case, priority_fifo.swept_by(case, claim), "linearizable")
    looked = looked_at(history, case.stays, called=claim.level == "snapshot")
    case = _seen(history, replace(case, looked_ns=looked))
    certain = case.hidden.certain(case.stays)
    swept = priority_fifo.from_looks(case)
    return explain(view, case, _promised(case, claim, swept, certain), "snapshot")


def _seen(history: History, case: SweepInput) -> SweepInput:
    """Leave out calls that found nothing and do not know in which state."""
    known = history.read_zxid[case.empty_rows] >= 0
    begin, end = case.empties
    return replace(case, empty_rows=case.empty_rows[known], empties=(begin[known], end[known]))


def _promised(case: SweepInput, claim: Claim, swept: Swept, certain: Mask) -> Swept:
    if claim.level in ("window", "unordered"):
        return replace(swept, bad=np.zeros(len(case.stays), np.bool_))
    behind = left_behind(case.stays, case.hidden, certain)
    return replace(swept, bad=swept.bad | behind)
