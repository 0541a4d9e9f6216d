"""Sweeps for consumers that list the queue first: what they passed over since that look."""

from dataclasses import dataclass

import numpy as np

from harness.checkers.evidence.episodes import Episodes
from harness.checkers.evidence.hidden import Hidden
from harness.checkers.evidence.kernels import INSERT, QUERY, crowd_sweep, run, whole_sweep
from harness.checkers.evidence.sweeps import Swept
from harness.history.columns import NEVER_NS, Ints, Mask

MOST_HIDDEN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    """Stays that are certain, ranked in order, and questions about those ranked before.

    Rows are first the stays, then the questions. Events (kind, row) are in order: a stay enters
    when it is surely available, a question is asked in the state its consumer looked at.
    """

    entered: Ints
    rank: Ints
    ends: Ints
    last: Ints
    kind: Ints
    row: Ints


def whole(stays: Episodes, empties: tuple[Ints, Ints], certain: Mask, looked_ns: Ints) -> Swept:
    """Find deliveries and empties throughout which one single item was surely ahead. O(n log n).

    A consumer that lists the queue once, at or after `looked_ns`, never makes one.
    """
    asked = np.flatnonzero(stays.surely_taken_ns < NEVER_NS)
    ranked = _ranked(stays, certain, asked, looked_ns, empties)
    size = len(ranked.entered) + len(asked)
    best = np.full(len(ranked.entered) + 1, -1, np.int64)
    (bad,) = run(
        whole_sweep,
        (ranked.kind, ranked.row),
        (ranked.rank, ranked.ends, ranked.last, np.zeros(len(ranked.rank), np.int64)),
        (best,),
    )
    flagged = np.zeros(len(stays), np.bool_)
    flagged[asked] = bad[len(ranked.entered) : size] > 0
    return Swept(bad=flagged, bad_empty=bad[size:] > 0, taken_ns=stays.taken_ns)


def outnumbered(
    stays: Episodes, hidden: Hidden, asked: Ints, looked_ns: Ints, beside: Ints | int = 0
) -> Ints:
    """Return those asked that had more items ahead than `beside` and all that calls can have had.

    From the state that its consumer looked at until its delivery. So one of these items was there,
    whichever it was. Where calls can have had more than MOST_HIDDEN items, nothing is judged.
    """
    hides = hidden.at_most(stays.surely_taken_ns[asked])
    few = hides <= MOST_HIDDEN
    asked, most = asked[few], (hides + beside)[few]
    ahead = crowd(stays, np.ones(len(stays), np.bool_), asked, looked_ns, most + 1)
    found: Ints = asked[ahead > most]
    return found


def never_empty(stays: Episodes, hidden: Hidden, empties: tuple[Ints, Ints]) -> Mask:
    """Return the calls that found nothing while more items were there than calls can have had.

    Counted are all that came before the call, without all that were taken before its end.
    """
    begin_ns, end_ns = empties
    came = np.searchsorted(np.sort(stays.surely_free_ns), begin_ns, side="left")
    went = np.searchsorted(np.sort(stays.taken_ns), end_ns, side="right")
    mask: Mask = came - went > hidden.at_most(end_ns)
    return mask


def crowd(stays: Episodes, certain: Mask, asked: Ints, looked_ns: Ints, most: Ints) -> Ints:
    """Return how many items were surely ahead of each asked stay, up to `most`.

    They were so from the state that its consumer looked at until its delivery. O(n log n) for each
    one counted.
    """
    none = np.zeros(0, np.int64)
    ranked = _ranked(stays, certain, asked, looked_ns, (none, none))
    entered, leaves = len(ranked.entered), 1 << len(ranked.entered).bit_length()
    limit = np.concatenate([np.zeros(entered, np.int64), most])
    (count,) = run(
        crowd_sweep,
        (ranked.kind, ranked.row),
        (ranked.rank, ranked.ends, ranked.last, limit, np.zeros(len(limit), np.int64)),
        (np.full(2 * leaves, -1, np.int64),),
        leaves,
    )
    return count[entered:]


def _ranked(
    stays: Episodes, certain: Mask, asked: Ints, looked_ns: Ints, empties: tuple[Ints, Ints]
) -> _Ranked:
    entered = np.flatnonzero(certain & (stays.surely_free_ns < stays.taken_ns))
    order = np.lexsort((stays.surely_key_ns[entered], stays.priority[entered]))
    entered = entered[order]
    before = _ranks(stays, entered, asked)
    calls, none = len(empties[0]), np.zeros(len(entered), np.int64)
    time_ns = np.concatenate([stays.surely_free_ns[entered], looked_ns[asked], empties[0]])
    kind = np.repeat([INSERT, QUERY], [len(entered), len(asked) + calls])
    row = np.lexsort((kind, time_ns))
    return _Ranked(
        entered=entered,
        rank=np.concatenate([np.arange(len(entered)), before, np.full(calls, len(entered))]),
        ends=np.concatenate([stays.taken_ns[entered], np.zeros(len(asked) + calls, np.int64)]),
        last=np.concatenate([none, stays.surely_taken_ns[asked], empties[1]]),
        kind=kind[row],
        row=row,
    )


def _ranks(stays: Episodes, entered: Ints, asked: Ints) -> Ints:
    """Return, for each stay that is asked, how many of the entered are surely ahead of it."""
    priority = np.concatenate([stays.priority[asked], stays.priority[entered]])
    key = np.concatenate([stays.key_ns[asked], stays.surely_key_ns[entered]])
    is_entry = np.arange(len(key)) >= len(asked)
    order = np.lexsort((key, priority))  # of equal keys, those that are asked stay first
    count = np.cumsum(is_entry[order])
    ranks = np.empty(len(key), np.int64)
    ranks[order] = count
    return ranks[: len(asked)]
