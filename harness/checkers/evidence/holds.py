"""Holds: which process held which item, from when to when, as far as a history shows."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.checkers.evidence.notes import Returns, ends, losses, returns
from harness.history.columns import (
    DONE,
    FAIL,
    INFO,
    NEVER_NS,
    OK,
    PUT,
    RELEASE,
    TAKE,
    History,
    Ints,
    Mask,
    derived,
)

DONE_OK, DONE_INFO, RELEASE_OK, RELEASE_INFO, RETURNED, LOST = range(6)
KINDS = 6


class Endings(NamedTuple):
    """Acknowledgements, releases, returns and losses of items: what ended holds, or tried to.

    `hold` is the place of the hold it belongs to, -1 where its process had reserved no such item;
    `row` is the operation's, -1 for a note.
    """

    value: Ints
    hold: Ints
    kind: Ints
    row: Ints
    begin_ns: Ints
    end_ns: Ints
    back: Mask
    zxid: Ints

    @property
    def final(self) -> Mask:
        """Acknowledged or released for certain, by an operation."""
        mask: Mask = (self.kind == DONE_OK) | (self.kind == RELEASE_OK)
        return mask

    @property
    def of_unseen(self) -> Mask:
        """Told by a note, of a hold that no call has recorded."""
        mask: Mask = (self.row < 0) & (self.hold < 0)
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Deliveries, one row each, sorted by value, then by when they surely had begun.

    Attributes:
        row: the reserve's (or take's) row in the history.
        begin_ns, held_ns: the hold begins in [begin_ns, held_ns].
        over_ns: it surely lasts until then, if it had begun (NEVER_NS: done, or never given back).
        back_ns: the item is surely available again from then on (NEVER_NS: not known to be).
        maybe_done: an acknowledgement has an unknown outcome, so the item may be gone for ever
            unless it is delivered again; `back_ns` does not take that into account.
        lapsed: only the end of its session can have ended it.
        returned: a note says that it was given back.
        done: an acknowledgement of it succeeded.
        may_return: the item may come back without a fault of the queue.
        endings: what ended them.
    """

    row: Ints
    value: Ints
    process: Ints
    begin_ns: Ints
    held_ns: Ints
    over_ns: Ints
    back_ns: Ints
    done: Mask
    maybe_done: Mask
    lapsed: Mask
    returned: Mask
    may_return: Mask
    endings: Endings


def first_acks(held: Holds) -> Ints:
    """Return the row of each hold's first acknowledgement that succeeded; -1 without one."""
    ending, rows = held.endings, np.full(len(held.row), -1, np.int64)
    places = np.flatnonzero((ending.hold >= 0) & (ending.kind == DONE_OK))[::-1]
    rows[ending.hold[places]] = ending.row[places]
    return rows


@derived
def holds(history: History) -> Holds:
    """Match each delivery with what ended it. O(n log n)."""
    row = np.flatnonzero(history.got(OK) & (history.value >= 0))
    row = row[np.lexsort((history.complete_ns[row], history.value[row]))]
    value, process = history.value[row].astype(np.int64), history.process[row].astype(np.int64)
    begin_ns, held_ns = history.invoke_ns[row], history.complete_ns[row]
    endings = _endings(history, _Starts(row, value, process, begin_ns))
    begun_ns = _begun_ns(len(row), endings, endings.hold >= 0)
    done_ns, finishing_ns, released_ns, doubtful_ns, returned_ns, lost_ns = begun_ns
    taken = history.f[row] == TAKE
    done = taken | (done_ns < NEVER_NS)
    lived_ns = alive_ns(history)[process]
    # A hold that was lost while its session lived ended at an unknown time before the note.
    gone_ns = np.minimum(returned_ns, lost_ns)
    away = gone_ns <= np.minimum(lived_ns, NEVER_NS - 1)
    # If it was gone before its answer came, there is no moment at which it was surely held.
    kept_ns = np.where(gone_ns <= held_ns, begin_ns, held_ns)
    lapse_ns = np.minimum(doubtful_ns, np.where(away, kept_ns, lived_ns))
    over_ns = np.where(done, NEVER_NS, np.minimum(released_ns, lapse_ns))
    if history.by_zxid:
        given_back_ns = _begun_ns(len(row), endings, endings.zxid >= 0)[RETURNED]
        over_ns = np.where(given_back_ns < NEVER_NS, np.maximum(over_ns, given_back_ns), over_ns)
    recovered_ns = ends(history).recovered_ns[process]
    back_ns = _back_ns(endings, recovered_ns)
    return Holds(
        row=row,
        value=value,
        process=process,
        begin_ns=begin_ns,
        held_ns=np.minimum(held_ns, np.minimum(gone_ns, recovered_ns)),
        over_ns=over_ns,
        back_ns=np.where(done, NEVER_NS, back_ns),
        done=done,
        returned=returned_ns < NEVER_NS,
        maybe_done=(finishing_ns < NEVER_NS)
        & (finishing_ns <= recovered_ns)
        & (released_ns == NEVER_NS),
        lapsed=~(done | away)
        & (np.minimum(released_ns, doubtful_ns) == NEVER_NS)
        & (lived_ns < NEVER_NS),
        may_return=~done & (over_ns < NEVER_NS),
        endings=endings,
    )


def _begun_ns(size: int, endings: Endings, chosen: Mask) -> Ints:
    """Return when the first of the chosen endings of each hold began, a row per kind."""
    least = np.full(KINDS * size, NEVER_NS, np.int64)
    known = chosen & (endings.hold >= 0)
    np.minimum.at(least, (endings.kind * size + endings.hold)[known], endings.begin_ns[known])
    return least.reshape(KINDS, size)


def _back_ns(endings: Endings, recovered_ns: Ints) -> Ints:
    """Return when each item was surely back: given back, or recovered with its session's rest.

    An item that was returned to another place never came back to its own.
    """
    given = (endings.hold >= 0) & ((endings.kind == RELEASE_OK) | (endings.kind == RETURNED))
    back, away = given & endings.back, given & ~endings.back & (endings.kind == RETURNED)
    least_ns = recovered_ns.copy()
    least_ns[endings.hold[away]] = NEVER_NS
    np.minimum.at(least_ns, endings.hold[back], endings.end_ns[back])
    return least_ns


@derived
def alive_ns(history: History) -> Ints:
    """Return until when each process's session surely lived; each change it made shows that.

    A call that found nothing shows nothing: it may have been made in another session.
    """
    changed = (history.f != PUT) & (history.outcome == OK) & (history.value >= 0)
    seen_ns = np.zeros(len(history.processes), np.int64)
    np.maximum.at(seen_ns, history.process[changed], history.invoke_ns[changed])
    return np.maximum(ends(history).alive_ns, seen_ns)


class _Starts(NamedTuple):
    """Deliveries: row in the history, value, process, and the earliest beginning of the hold."""

    row: Ints
    value: Ints
    process: Ints
    begin_ns: Ints


def _endings(history: History, starts: _Starts) -> Endings:
    acted = ((history.f == DONE) | (history.f == RELEASE)) & (history.outcome != FAIL)
    row = np.flatnonzero(acted & (history.value >= 0))
    kind = np.where(history.f[row] == DONE, DONE_OK, RELEASE_OK) + (history.outcome[row] == INFO)
    value, process = history.value[row], history.process[row]
    # A process makes one call at a time, so its rows are in order even where clocks are not.
    own = last_before((starts.value, starts.process, starts.row), (value, process, row))
    called = Endings(
        value=value,
        hold=own,
        kind=kind,
        row=row,
        begin_ns=history.invoke_ns[row],
        end_ns=history.complete_ns[row],
        back=history.to[row] == 0,
        zxid=history.zxid[row],
    )
    let_go = _let_go(history, len(starts.row), own, kind, row)
    noted = [
        _noted(history, notes, which, starts, let_go)
        for notes, which in ((returns(history), RETURNED), (losses(history), LOST))
    ]
    return Endings(*(np.concatenate(columns) for columns in zip(called, *noted, strict=True)))


def _let_go(history: History, size: int, hold: Ints, kind: Ints, row: Ints) -> Mask:
    """Return released holds whose process may have got the item again without recording it.

    A later note about the item may then be about that unrecorded hold.
    """
    unseen = np.flatnonzero(history.got(INFO))
    last = np.full(len(history.processes), -1, np.int64)
    np.maximum.at(last, history.process[unseen], unseen)
    released = (hold >= 0) & ((kind == RELEASE_OK) | (kind == RELEASE_INFO))
    mask = np.zeros(size, np.bool_)
    mask[hold[released & (last[history.process[row]] > row)]] = True
    return mask


def _noted(history: History, notes: Returns, kind: int, starts: _Starts, let_go: Mask) -> Endings:
    size = len(notes.value)
    hold = _held_before(history, notes, starts)
    return Endings(
        value=notes.value,
        hold=np.where((hold >= 0) & np.append(let_go, [False])[hold], -1, hold),
        kind=np.full(size, kind, np.int64),
        row=np.full(size, -1, np.int64),
        begin_ns=notes.time_ns,
        end_ns=notes.time_ns,
        back=np.array([to == "items" for to in notes.to], np.bool_),
        zxid=notes.zxid,
    )


def _held_before(history: History, notes: Returns, starts: _Starts) -> Ints:
    """Return the hold that each note is about; -1 if its process had none then.

    A client that registers again is the same process, and one reserve can get an item again that
    its process lost while the call was under way. So a hold that was claimed after the note, or
    in a session of another registration, is not what the note is about: an earlier one may be.
    """
    hold = last_before(
        (starts.value, starts.process, starts.begin_ns),
        (notes.value, notes.process, notes.time_ns),
    )
    zxid, session = history.zxid[starts.row], history.session[starts.row]
    sessions = [history.sessions_of.get(consumer, set()) for consumer in notes.consumer]
    while True:
        later = (hold >= 0) & (notes.zxid >= 0)
        later[later] = zxid[hold[later]] > notes.zxid[later]
        others = [
            place >= 0 and bool(known) and session[place] >= 0 and session[place] not in known
            for place, known in zip(hold.tolist(), sessions, strict=True)
        ]
        wrong = later | np.array(others, np.bool_)
        if not wrong.any():
            return hold
        hold[wrong] = _earlier(starts)[hold[wrong]]


def _earlier(starts: _Starts) -> Ints:
    """Return, for each delivery, the one before of the same item to the same process; or -1."""
    order = np.lexsort((starts.begin_ns, starts.process, starts.value))
    value, process = starts.value[order], starts.process[order]
    same = (value[1:] == value[:-1]) & (process[1:] == process[:-1])
    earlier = np.full(len(order), -1, np.int64)
    earlier[order[1:]] = np.where(same, order[:-1], -1)
    return earlier


def last_before(starts: tuple[Ints, Ints, Ints], ends: tuple[Ints, Ints, Ints]) -> Ints:
    """Return, for each end, the place of the last start of the same pair at or before it; or -1.

    Both are (value, process, time or row). O(n log n).
    """
    some = np.flatnonzero(np.isin(starts[0], ends[0]))
    count = len(some)
    started = (column[some] for column in starts)
    value, process, time_ns = (
        np.concatenate(columns) for columns in zip(started, ends, strict=True)
    )
    pair = value.astype(np.int64) * (int(process.max(initial=0)) + 1) + process
    is_end = np.arange(len(pair)) >= count
    order = np.lexsort((time_ns, pair))  # of equal times, starts stay first
    place = np.where(is_end[order], -1, np.arange(len(order)))
    last = order[np.maximum(np.maximum.accumulate(place), 0)] if len(order) else order
    same = (pair[last] == pair[order]) & ~is_end[last]
    found = np.full(len(order), -1, np.int64)
    found[order] = np.where(same, last, -1)
    return np.append(some, [-1])[found[count:]]
