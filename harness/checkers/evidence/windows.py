"""Windows in which an item was surely in the queue, and chains of them that prove a violation.

A window is the open interval (surely put, earliest taken): at each time in it the queue held
the item.
"""

import numpy as np

from harness.history.columns import Ints


def covered_until(begin_ns: Ints, end_ns: Ints, at_ns: Ints) -> Ints:
    """Return, for each time, the first time from it on that lies in no window. O(n log n)."""
    real = begin_ns < end_ns
    begin_ns, end_ns = begin_ns[real], end_ns[real]
    if not len(begin_ns):
        return at_ns
    order = np.argsort(begin_ns, kind="stable")
    begin_ns, reach_ns = begin_ns[order], np.maximum.accumulate(end_ns[order])
    # A window that begins where earlier ones end leaves that point free, as both are open.
    starts = np.append([True], begin_ns[1:] >= reach_ns[:-1])
    block_begin_ns, block_end_ns = (
        begin_ns[starts],
        np.append(reach_ns[:-1][starts[1:]], reach_ns[-1]),
    )
    place = np.searchsorted(block_begin_ns, at_ns, side="left") - 1
    inside = (place >= 0) & (at_ns < block_end_ns[np.maximum(place, 0)])
    return np.where(inside, block_end_ns[np.maximum(place, 0)], at_ns)


def chain(
    begin_ns: Ints, end_ns: Ints, first_ns: int, last_ns: int, *, layers: int = 1
) -> list[int]:
    """Return the fewest windows that cover each point of [first, last] `layers` times.

    If they do not cover all of it, return those up to the gap. O(n) for each window in the chain.
    """
    chosen: list[int] = []
    at_ns = first_ns
    while at_ns <= last_ns:
        missing = layers - sum(1 for w in chosen if begin_ns[w] < at_ns < end_ns[w])
        open_now = (begin_ns < at_ns) & (end_ns > at_ns)
        open_now[chosen] = False
        candidates = np.flatnonzero(open_now)
        longest = candidates[np.argsort(-end_ns[candidates], kind="stable")][:missing]
        if len(longest) < missing:
            return chosen
        chosen.extend(int(window) for window in longest)
        at_ns = int(min(end_ns[w] for w in chosen if end_ns[w] > at_ns))
    return chosen
