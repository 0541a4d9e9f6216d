"""Calls of unknown outcome, which may hold items that no delivery tells of."""

from dataclasses import dataclass, fields

import numpy as np

from harness.checkers.evidence.episodes import Episodes
from harness.checkers.evidence.notes import ends
from harness.history.columns import INFO, NEVER_NS, OK, TAKE, History, Ints, Mask, derived

PROBES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Reserves and takes of unknown outcome, which may hold items without a record of it.

    Each may hold up to `capacity` items from `begin` `until` its session's recovery; `alive` is
    the earliest at which it can give one back, `process` who made it.
    """

    begin: Ints
    until: Ints
    alive: Ints
    capacity: Ints
    process: Ints

    def __len__(self) -> int:
        return len(self.begin)

    def where(self, mask: Mask) -> "Hidden":
        """Return some of the calls."""
        return Hidden(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})

    def at_most(self, last_ns: Ints) -> Ints:
        """Return how many items, at most, calls can have had at any time up to each of these.

        A call takes its items once. They may be put aside when its session ends, so what it had may
        be out of reach for good.
        """
        order = np.argsort(self.begin, kind="stable")
        sums = np.append([0], np.cumsum(self.capacity[order]))
        most: Ints = sums[np.searchsorted(self.begin[order], last_ns, side="right")]
        return most

    def none_during(self, first_ns: Ints, last_ns: Ints) -> Mask:
        """Return the spans [first, last] during which no call can hold anything."""
        begun = np.searchsorted(np.sort(self.begin), last_ns, side="right")
        over = np.searchsorted(np.sort(self.until), first_ns, side="left")
        mask: Mask = begun == over
        return mask

    def certain(self, stays: Episodes) -> Mask:
        """Return the stays in which no call can have held the item and given it back.

        O(calls * n) up to PROBES; beyond that, every stay that ended after the first session's
        end is doubtful.
        """
        doubtful = stays.surely_taken_ns >= self.alive.min(initial=NEVER_NS + 1)
        if len(self) * len(stays) > PROBES:
            early: Mask = ~doubtful
            return early
        found = np.zeros(len(stays), np.bool_)
        for begin_ns, until_ns, alive_ns in zip(self.begin, self.until, self.alive, strict=True):
            within = (stays.surely_taken_ns >= begin_ns) & (stays.free_ns <= until_ns)
            found |= within & (alive_ns <= stays.surely_taken_ns)
        kept: Mask = ~found
        return kept


@derived
def hidden_holds(history: History) -> Hidden:
    """Return the calls that may hold items without a record of it. O(n)."""
    rows = np.flatnonzero(history.got(INFO))
    ended, process = ends(history), history.process[rows]
    takes = history.f[rows] == TAKE
    until = np.where(takes, NEVER_NS, ended.recovered_ns[process])
    alive = np.where(takes, NEVER_NS, ended.alive_ns[process])
    return Hidden(
        begin=history.invoke_ns[rows],
        until=until,
        alive=alive,
        capacity=capacity(history, rows),
        process=process,
    )


def capacity(history: History, rows: Ints) -> Ints:
    """Return how many items each of these calls may hold: as many as it asked for.

    A call that does not say counts as the largest batch of the history.
    """
    largest = int(history.part[history.got(OK)].max(initial=0)) + 1
    return np.where(history.n[rows] > 0, history.n[rows], largest).astype(np.int64)
