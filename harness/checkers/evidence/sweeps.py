"""Sweeps over stays: find deliveries that came while another item was surely ahead.

All are sound: no correct queue does what they report. docs/checkers.md has the proofs.
"""

from dataclasses import dataclass, replace

import numpy as np

from harness.checkers.evidence.episodes import AT_ONCE, Episodes
from harness.checkers.evidence.hidden import PROBES, Hidden
from harness.checkers.evidence.kernels import (
    HIDE,
    INSERT,
    QUERY,
    cover_sweep,
    layered_sweep,
    points,
    run,
)
from harness.history.columns import NEVER_NS, Ints, Mask

CERTAIN = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOrder:
    """The order in which items are due: by priority, then by keys known to lie in an interval.

    `certain` are the stays whose item no unknown call can hide.
    """

    key_ns: Ints
    surely_key_ns: Ints
    hidden: Hidden
    certain: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Which stays and empties are bad, and each stay's tightened earliest delivery."""

    bad: Mask
    bad_empty: Mask
    taken_ns: Ints


def cover(stays: Episodes, empties: tuple[Ints, Ints], line: DueOrder, ask: Mask) -> Swept:
    """Find deliveries of items that were never the head, and empties while items were there.

    Exact if each stay is an item of its own and no call hides one; O(n log n). `empties` are the
    intervals of the calls that found nothing. Only the deliveries in `ask` are judged; the other
    stays only block them.
    """
    size, hidden = len(stays), line.hidden
    calls = len(hidden)
    times = (stays.surely_free_ns, stays.taken_ns, stays.surely_taken_ns)
    end = np.array([NEVER_NS], np.int64)
    distinct, (low, high, last, begin, finish, start, until, _) = points(
        *times, *empties, hidden.begin, hidden.until, end
    )
    rows = np.arange(len(begin))
    kind, stay = _events(stays, line, ask)
    events = (
        np.concatenate([np.full(calls, HIDE), kind, np.full(len(rows), QUERY)]),
        np.concatenate([size + np.arange(calls), stay, size + calls + rows]),
    )
    nothing = np.zeros(size + calls + len(rows), np.int64)
    bounds = (
        np.concatenate([low, start, begin]),
        np.concatenate([high, until, begin]),
        np.concatenate([last, until, finish]),
        nothing,
    )
    if calls:
        weight = np.where(line.certain, CERTAIN, 1)
        weights = np.concatenate([weight, -hidden.capacity, nothing[size + calls :]])
        leaves = 1 << len(distinct).bit_length()
        tree = (np.zeros(2 * leaves, np.int64), np.zeros(2 * leaves, np.int64))
        tight, bad = run(layered_sweep, events, (*bounds, weights), tree, leaves)
    else:
        tight, bad = run(cover_sweep, events, bounds, (np.arange(len(distinct) + 2),))
    flagged = bad.astype(np.bool_)
    taken = distinct[np.minimum(tight[:size], len(distinct) - 1)]
    return Swept(bad=flagged[:size], bad_empty=flagged[size + calls :], taken_ns=taken)


def hideable(stays: Episodes, line: DueOrder) -> Mask:
    """Return the stays whose item some call may have held unseen, and given back or still holds.

    That needs a session that may have ended before the item was delivered, and an item that may
    have been the head during the call. O(calls * n log n) up to PROBES; beyond that, the second
    condition is not checked.
    """
    hidden, doubtful = line.hidden, np.flatnonzero(~line.certain)
    if len(hidden) * len(stays) > PROBES:
        return ~line.certain
    found = np.zeros(len(stays), np.bool_)
    for call in range(len(hidden)):
        stay = doubtful[hidden.alive[call] <= stays.surely_taken_ns[doubtful]]
        found[stay[_reachable(stays, line, call, stay)]] = True
    return found


def _reachable(stays: Episodes, line: DueOrder, call: int, stay: Ints) -> Mask:
    """Return which items may have been the head while the call may have taken one."""
    hidden = line.hidden
    first_ns = np.maximum(hidden.begin[call], stays.free_ns[stay])
    last_ns = np.minimum(hidden.until[call], stays.surely_taken_ns[stay])
    never = np.full(len(stay), NEVER_NS)
    probed = stays.where(np.concatenate([np.arange(len(stays)), stay]))
    probed = replace(
        probed,
        surely_free_ns=np.concatenate([stays.surely_free_ns, never]),
        taken_ns=np.concatenate([stays.taken_ns, first_ns]),
        surely_taken_ns=np.concatenate([stays.surely_taken_ns, last_ns]),
    )
    # While it takes this item the call holds at most its others.
    capacity = hidden.capacity.copy()
    capacity[call] -= 1
    rows = np.concatenate([np.arange(len(stays)), stay])
    beside = DueOrder(
        key_ns=line.key_ns[rows],
        surely_key_ns=line.surely_key_ns[rows],
        hidden=replace(hidden, capacity=capacity),
        certain=line.certain[rows],
    )
    none = np.zeros(0, np.int64)
    swept = cover(probed, (none, none), beside, np.arange(len(rows)) >= len(stays))
    return ~swept.bad[len(stays) :]


def _events(stays: Episodes, line: DueOrder, ask: Mask) -> tuple[Ints, Ints]:
    """Return kinds and stays in order of time; queries first in a tie, as ties are concurrent."""
    asked = np.flatnonzero(ask & (stays.taken_ns < NEVER_NS))
    entered = np.flatnonzero((stays.surely_free_ns < NEVER_NS) & (line.surely_key_ns < NEVER_NS))
    stay = np.concatenate([asked, entered])
    kind = np.repeat([QUERY, INSERT], [len(asked), len(entered)])
    time_ns = np.concatenate([line.key_ns[asked], line.surely_key_ns[entered]])
    order = np.lexsort((time_ns, stays.priority[stay]))  # of equal times, queries stay first
    return kind[order], stay[order]


def overtaken(stays: Episodes, certain: Mask) -> Mask:
    """Return first deliveries that came before that of an item surely put earlier.

    Within a priority; O(n log n). A consumer that lists the queue never causes one, however old
    its listing.
    """
    bad = np.zeros(len(stays), np.bool_)
    first = stays.number == 0
    for priority in np.unique(stays.priority[first]):
        mine = np.flatnonzero(first & (stays.priority == priority))
        ahead = mine[certain[mine]]
        ahead = ahead[np.argsort(stays.surely_key_ns[ahead], kind="stable")]
        latest = np.maximum.accumulate(np.append([-1], stays.taken_ns[ahead]))
        before = np.searchsorted(stays.surely_key_ns[ahead], stays.key_ns[mine], side="left")
        bad[mine] = latest[before] > stays.surely_taken_ns[mine]
    return bad


def left_behind(stays: Episodes, hidden: Hidden, certain: Mask) -> Mask:
    """Return deliveries of items that came back together with one ahead of them.

    All that a session held comes back at one moment. So an item ahead that was delivered later
    was available whenever this one was. O(n log n).
    """
    bad = np.zeros(len(stays), np.bool_)
    freed = np.flatnonzero(stays.freed_by >= 0)
    freed = freed[np.argsort(stays.freed_by[freed], kind="stable")]
    _, starts, counts = np.unique(stays.freed_by[freed], return_index=True, return_counts=True)
    first_hidden_ns = hidden.begin.min(initial=NEVER_NS)
    for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
        group = freed[start : start + count]
        for stay in group if count <= AT_ONCE else ():
            ahead = stays.priority[group] < stays.priority[stay]
            same = stays.priority[group] == stays.priority[stay]
            ahead |= same & (stays.surely_key_ns[group] < stays.key_ns[stay])
            last_ns = stays.surely_taken_ns[stay]
            sure = certain[group] | (last_ns < first_hidden_ns)
            bad[stay] = (ahead & sure & (stays.taken_ns[group] > last_ns)).any()
    return bad
