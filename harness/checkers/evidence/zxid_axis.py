"""A history on the axis of zxids: a call whose zxid is known becomes a point.

ZooKeeper applies all writes in the order of their zxids, so what holds for intervals of time holds
on this axis too. Almost all intervals are points there, which makes the checkers that work on
intervals exact, without a search.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.checkers.evidence.episodes import Episodes
from harness.checkers.evidence.holds import alive_ns
from harness.checkers.evidence.kernels import points
from harness.checkers.evidence.notes import losses, returns
from harness.history.columns import (
    FAIL,
    INFO,
    NEVER_NS,
    OK,
    History,
    Ints,
    Mask,
    by_process,
    derived,
)
from harness.history.record import Event

_BETWEEN = 3
_KINDS = ("session-end", "returned", "hold-lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """Commits whose zxid is known, a row each; a read counts at the state that it saw.

    Attributes:
        row: of the history; -1 for a note.
        begin_ns, end_ns: the call; of a session's end, from its last sign of life to the note.
        rank: of the zxid among all known ones, from 1.
        reads: whether it found nothing, and so only read.
    """

    row: Ints
    begin_ns: Ints
    end_ns: Ints
    rank: Ints
    reads: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Places on the axis: for zxids, and for what lies between two of them.

    A zxid has `step` places: one for each part of a batch, then three in the state after it: before
    the reads of that state, at those reads, and after one of them was over.
    """

    zxids: Ints
    step: int
    commits: Commits
    ended: tuple[Ints, Ints]
    begun: tuple[Ints, Ints]
    begun_or_read: tuple[Ints, Ints]

    def rank(self, zxid: Ints) -> Ints:
        """Return the ranks of zxids that are known."""
        return np.searchsorted(self.zxids, zxid) + 1

    def after(self, place: Ints) -> Ints:
        """Return the place of reads of the state that the zxid of each place left."""
        return np.where(place < NEVER_NS, self.read(place // self.step), NEVER_NS)

    def since(self, time_ns: Ints, *, writes: Mask | None = None) -> Ints:
        """Return the place after everything that was surely over before these times.

        A call that `writes` gets a larger zxid, so all reads of that state come before it.
        """
        which = self.newest(time_ns)
        seen = np.append(self.commits.reads, [False])[which]
        seen = seen if writes is None else seen | writes
        return self.read(np.append(self.commits.rank, [0])[which]) + np.where(seen, 1, -1)

    def newest(self, time_ns: Ints) -> Ints:
        """Return the commit of highest rank that was over before these times; -1 without one."""
        ended_ns, which = self.ended
        place = np.searchsorted(ended_ns, time_ns, side="left")
        return np.append([-1], which)[place]

    def until(self, time_ns: Ints, *, fresh: bool) -> Ints:
        """Return the last place that a call which was over by these times can have.

        It is before all writes that began later and, if reads are `fresh`, before later reads.
        """
        begun_ns, places = self.begun_or_read if fresh else self.begun
        end = (len(self.zxids) + 1) * self.step
        return np.append(places, [end])[np.searchsorted(begun_ns, time_ns, side="right")]

    def read(self, rank: Ints) -> Ints:
        """Return the place of reads of the state that these ranks left."""
        return rank * self.step + self.step - 2


@derived
def axis(history: History) -> Axis:
    """Order everything whose zxid is known. O(n log n)."""
    known = (history.outcome == OK) & (history.value >= 0) & (history.zxid >= 0)
    reads = (history.outcome == OK) & (history.value < 0) & (history.read_zxid >= 0)
    row = np.flatnonzero(known | reads)
    began, ended, noted = _noted(history)
    zxid = np.where(reads[row], history.read_zxid[row], history.zxid[row])
    zxids, (rank,) = points(np.concatenate([zxid, noted]))
    commits = Commits(
        row=np.concatenate([row, np.full(len(noted), -1, np.int64)]),
        begin_ns=np.concatenate([history.invoke_ns[row], began]),
        end_ns=np.concatenate([history.complete_ns[row], ended]),
        rank=rank + 1,
        reads=np.concatenate([reads[row], np.zeros(len(noted), np.bool_)]),
    )
    step = int(history.part[row].max(initial=0)) + 1 + _BETWEEN
    return Axis(
        zxids=zxids,
        step=step,
        commits=commits,
        ended=_newest(commits),
        begun=_oldest(commits, step, ~commits.reads),
        begun_or_read=_oldest(commits, step, np.ones(len(commits.rank), np.bool_)),
    )


@derived
def by_zxid(history: History) -> History:
    """Return the history on the axis of zxids, with the same rows. O(n log n).

    Reads may be of an old state, as every server may answer them.

    Places stand for times, in calls and in notes:
        known zxid      a point; parts of one call in their order, calls that share it together
        found nothing   where the state of its read_zxid is read
        ok, no zxid     from the newest state before its call to the oldest after it
        unknown         from the newest state before its call, without an end
    The writes of its own process before and after bound a call too, whatever the clock says.
    If an item was lost to a living consumer at an unknown zxid, all calls on it get the outcome
    FAIL; removing all calls of an item leaves a legal history legal.
    """
    return _moved(history, fresh=False)


@derived
def by_zxid_and_reads(history: History) -> History:
    """Return the same, where no read is of a state older than its call."""
    return _moved(history, fresh=True)


def _moved(history: History, *, fresh: bool) -> History:
    places = axis(history)
    began, ended = (column.copy() for column in _points(history))
    view = copy(history)
    outcome = history.outcome.copy()
    outcome[(history.value >= 0) & left_open(history)[history.value]] = FAIL
    open_ended = np.flatnonzero(began < 0)
    writes = (history.outcome == INFO) | (history.value >= 0)
    began[open_ended] = places.since(history.invoke_ns[open_ended], writes=writes[open_ended])
    last = places.until(history.complete_ns[open_ended], fresh=fresh)
    ended[open_ended] = np.maximum(last, began[open_ended])
    began, ended = _in_own_order(history, began, ended)
    ended[outcome == INFO] = NEVER_NS
    view.outcome, view.invoke_ns, view.complete_ns = outcome, began, ended
    view.notes = [_placed(note, places) for note in history.notes if note.f in _KINDS]
    view.by_zxid = True
    return view


@derived
def left_open(history: History) -> Mask:
    """Return, by value, whether it was lost to a living consumer at an unknown zxid."""
    found = np.zeros(len(history.values) + 1, np.bool_)
    alive = alive_ns(history)
    for notes in (returns(history), losses(history)):
        doubtful = (notes.zxid < 0) & (notes.time_ns <= alive[notes.process])
        found[notes.value[doubtful]] = True
    return found


def looked_at(history: History, stays: Episodes, *, called: bool) -> Ints:
    """Return the oldest state in which each stay's consumer can have looked at the queue.

    It had seen the item; and, if it looks anew in each call, what was over when it was `called`.
    """
    places = axis(history)
    looked = places.after(stays.free_ns)
    if called:
        looked = np.maximum(looked, places.since(history.invoke_ns[stays.row]))
    return np.minimum(looked, stays.taken_ns)


def _noted(history: History) -> tuple[Ints, Ints, Ints]:
    """Return begin, end and zxid of the sessions' ends and of the returns that know it.

    They are after the consumer's last sign of life. The note of an end may come before it.
    """
    rows, alive_ns = [], dict[Any, int]()
    for note in history.notes:
        value = note.value
        if note.f not in _KINDS or not isinstance(value, dict):
            continue
        who = (value.get("consumer"), value.get("session") if "consumer" not in value else None)
        if note.f == "session-end":
            alive_ns[who] = value.get("alive_until_ns", 0)
        if value.get("zxid") is not None:
            since_ns = alive_ns.get(who, 0)
            end_ns = note.time_ns if note.f == "returned" else NEVER_NS
            rows.append((since_ns if since_ns <= end_ns else 0, end_ns, value["zxid"]))
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return columns[0], columns[1], columns[2]


def _newest(commits: Commits) -> tuple[Ints, Ints]:
    """Return ends in order, and which commit had the highest rank up to each."""
    order = np.argsort(commits.end_ns, kind="stable")
    height = 2 * commits.rank[order] + commits.reads[order]
    first = np.where(height == np.maximum.accumulate(height), np.arange(len(order)), 0)
    return commits.end_ns[order], order[np.maximum.accumulate(first)]


def _oldest(commits: Commits, step: int, chosen: Mask) -> tuple[Ints, Ints]:
    """Return the beginnings of those chosen, in order, and the last place before all from each on.

    Before a write that is after all reads of the state it changes; before a read, what it reads.
    """
    which = np.flatnonzero(chosen)
    order = which[np.argsort(commits.begin_ns[which], kind="stable")]
    before = commits.rank[order] * step + np.where(commits.reads[order], step - _BETWEEN, -1)
    return commits.begin_ns[order], np.minimum.accumulate(before[::-1])[::-1]


@derived
def _points(history: History) -> tuple[Ints, Ints]:
    """Return where each row begins and ends on the axis; -1 where its zxid is not known."""
    places = axis(history)
    commits, step = places.commits, places.step
    began, ended = np.full((2, len(history)), -1, np.int64)
    known = commits.row >= 0
    row, rank, reads = commits.row[known], commits.rank[known], commits.reads[known]
    shared = _shared(history, commits)[rank]
    part, width = np.where(shared, 0, history.part[row]), np.where(shared, step - _BETWEEN - 1, 0)
    began[row] = np.where(reads, places.read(rank), rank * step + part)
    ended[row] = np.where(reads, began[row], began[row] + width)
    return began, ended


def _in_own_order(history: History, began: Ints, ended: Ints) -> tuple[Ints, Ints]:
    """Return the places of calls, none before those of its process's earlier calls.

    A call that found nothing may have read an old state, and is moved by no other.
    """
    writes = (history.outcome == OK) & (history.value >= 0)
    row = by_process(history)
    row = row[writes[row] | (history.outcome[row] == INFO)]
    # Apart by more than any place: the maximum of one process does not reach into the next.
    apart = (int(ended.max(initial=0)) + 1) * history.process[row].astype(np.int64)
    first, last = began.copy(), ended.copy()
    first[row] = np.maximum.accumulate(began[row] + apart) - apart
    done = writes[row]
    row, apart = row[done], apart[done]
    last[row] = np.minimum.accumulate((ended[row] + apart)[::-1])[::-1] - apart
    return first, np.maximum(first, last)


def _shared(history: History, commits: Commits) -> Mask:
    """Return, by rank, whether several calls share it; the order of their parts is not known."""
    writes = ~commits.reads
    call = np.where(commits.row >= 0, history.call[commits.row], -1)[writes]
    rank = commits.rank[writes]
    lowest = np.full(int(commits.rank.max(initial=0)) + 1, NEVER_NS, np.int64)
    highest = np.full(len(lowest), -2, np.int64)
    np.minimum.at(lowest, rank, call)
    np.maximum.at(highest, rank, call)
    return lowest < highest


def _placed(note: Event, places: Axis) -> Event:
    """Return a note as if it had been written at its zxid; without one, at the last it can be."""
    value = dict(note.value)
    zxid = value.get("zxid")
    if zxid is None:
        at = int(places.until(np.array([note.time_ns]), fresh=False)[0])
        alive = int(places.since(np.array([value.get("alive_until_ns", 0)]))[0])
    else:
        at = alive = int(places.rank(np.array([zxid]))[0]) * places.step
    if "alive_until_ns" in value:
        value["alive_until_ns"] = alive
    return Event.note(at, note.f, value, note.process)
