"""Inner loops, in the part of Python that numba compiles; short inputs are not worth compiling.

A kernel takes and returns one-dimensional sequences of ints and plain ints, and calls no other
function, so that the same code runs on lists and, compiled, on arrays.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Numbers: TypeAlias = Any  # a list, or an array: mypy has no word for what both can do

COMPILE_FROM = 20_000
QUERY, INSERT, HIDE = range(3)


def run(kernel: Callable[..., tuple[Numbers, ...]], *arguments: Ints | int) -> tuple[Ints, ...]:
    """Run a kernel on copies: compiled if the first argument is long, else as it stands."""
    if len(arguments[0]) >= COMPILE_FROM:  # type: ignore[arg-type]
        compiled = _compiled(kernel)
        results = compiled(*(a.copy() if isinstance(a, np.ndarray) else a for a in arguments))
    else:
        results = kernel(*(a.tolist() if isinstance(a, np.ndarray) else a for a in arguments))
    return tuple(np.asarray(result, np.int64) for result in results)


@cache
def _compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit  # noqa: PLC0415 -- importing it costs a second

    compiled: Callable[..., Any] = njit(cache=True)(kernel)
    return compiled


def points(*times: Ints) -> tuple[Ints, list[Ints]]:
    """Return the distinct times, sorted, and each argument's places among them. O(n log n)."""
    distinct, places = np.unique(np.concatenate(times), return_inverse=True)
    cuts = np.cumsum([len(time) for time in times])[:-1]
    return distinct, [part.astype(np.int64) for part in np.split(places, cuts)]


def cover_sweep(
    kind: Numbers,
    stay: Numbers,
    low: Numbers,
    high: Numbers,
    last: Numbers,
    bad: Numbers,
    free: Numbers,
) -> tuple[Numbers, Numbers]:
    """Tighten each stay's end to the first uncovered point, or mark it bad; cover its inside.

    Events in order: QUERY of a stay looks for the first point >= high that is not covered; beyond
    `last` it is bad, else `high` becomes it. INSERT covers the points between low and high.
    `free[p]` leads to the first uncovered point >= p (union-find with path halving).
    """
    for event in range(len(kind)):
        s = stay[event]
        if kind[event] == 0:
            p = high[s]
            while free[p] != p:
                free[p] = free[free[p]]
                p = free[p]
            if p > last[s]:
                bad[s] = 1
            else:
                high[s] = p
        else:
            p = low[s] + 1
            while p < high[s]:
                while free[p] != p:
                    free[p] = free[free[p]]
                    p = free[p]
                if p < high[s]:
                    free[p] = p + 1
    return high, bad


def layered_sweep(
    kind: Numbers,
    stay: Numbers,
    low: Numbers,
    high: Numbers,
    last: Numbers,
    bad: Numbers,
    weight: Numbers,
    least: Numbers,
    added: Numbers,
    size: int,
) -> tuple[Numbers, Numbers]:
    """Do as `cover_sweep`, where a point counts as covered if its weights sum to more than 0.

    HIDE takes `weight` from the points low..high, both included. A segment tree over `size`
    points (a power of two): `least` is the smallest sum below a node, `added` what was added to
    a whole node. O(n log n).
    """
    for event in range(len(kind)):
        s = stay[event]
        if kind[event] == 0:
            node, above, found = min(high[s], size - 1) + size, 0, -1
            up = node // 2
            while up:
                above += added[up]
                up //= 2
            while least[node] + above > 0 and found < 0:
                while node & 1:  # a right child, or the root: nothing to its right below its parent
                    if node == 1:
                        found = size
                        break
                    node //= 2
                    above -= added[node]
                else:
                    node += 1
            if found < 0:
                while node < size:
                    above += added[node]
                    node *= 2
                    if least[node] + above > 0:
                        node += 1
                found = node - size
            if found > last[s]:
                bad[s] = 1
            else:
                high[s] = found
        else:
            first, past = low[s] + 1, high[s]
            if kind[event] == 2:
                first, past = low[s], high[s] + 1
            left, right = first + size, past + size
            while left < right:
                if left & 1:
                    least[left] += weight[s]
                    added[left] += weight[s]
                    left += 1
                if right & 1:
                    right -= 1
                    least[right] += weight[s]
                    added[right] += weight[s]
                left //= 2
                right //= 2
            for leaf in (first + size, past - 1 + size):
                node = leaf // 2 if first < past else 0
                while node:
                    least[node] = min(least[2 * node], least[2 * node + 1]) + added[node]
                    node //= 2
    return high, bad


def whole_sweep(
    kind: Numbers,
    stay: Numbers,
    rank: Numbers,
    ends: Numbers,
    last: Numbers,
    bad: Numbers,
    best: Numbers,
) -> tuple[Numbers]:
    """Mark a stay bad if one window, ranked before it and inserted before it, ends after `last`.

    QUERY asks for the largest `ends` among ranks < rank; INSERT enters `ends` at `rank`. A
    Fenwick tree of prefix maxima. O(n log n).
    """
    for event in range(len(kind)):
        s = stay[event]
        if kind[event] == 0:
            i = rank[s]
            while i > 0:
                if best[i] > last[s]:
                    bad[s] = 1
                i -= i & -i
        else:
            i = rank[s] + 1
            while i < len(best):
                best[i] = max(best[i], ends[s])
                i += i & -i
    return (bad,)
