"""Inner loops, in the part of Python that numba compiles; short inputs are not worth compiling.

A kernel takes tuples of one-dimensional sequences of ints, and ints, and returns a tuple of such
sequences; it may call functions of this module. So the same code runs on lists and, compiled,
on arrays.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from harness.history.columns import Ints
from harness.history.compiled import compiled

Numbers: TypeAlias = Any  # a list, or an array: mypy has no word for what both can do

COMPILE_FROM = 20_000
QUERY, INSERT, HIDE = range(3)


def run(
    kernel: Callable[..., tuple[Numbers, ...]], *groups: tuple[Ints, ...] | int
) -> tuple[Ints, ...]:
    """Run a kernel: compiled if its arguments are long, else as it stands.

    It may write into its arguments.
    """
    longest = max(len(a) for group in groups if isinstance(group, tuple) for a in group)
    if longest >= COMPILE_FROM:
        results = compiled(kernel)(*groups)
    else:
        listed = (tuple(a.tolist() for a in g) if isinstance(g, tuple) else g for g in groups)
        results = kernel(*listed)
    return tuple(np.asarray(result, np.int64) for result in results)


def points(*times: Ints) -> tuple[Ints, list[Ints]]:
    """Return the distinct times, sorted, and each argument's places among them. O(n log n)."""
    every = np.concatenate(times)
    order = every.argsort(kind="stable")
    sorted_ = every[order]
    first = np.ones(len(every), np.bool_)
    first[1:] = sorted_[1:] != sorted_[:-1]
    places = np.empty(len(every), np.int64)
    places[order] = first.cumsum() - 1
    cuts = np.cumsum([0, *map(len, times)]).tolist()
    return sorted_[first], [places[a:b] for a, b in pairwise(cuts)]


def cover_sweep(
    events: tuple[Numbers, Numbers], stays: tuple[Numbers, ...], union: tuple[Numbers]
) -> tuple[Numbers, Numbers]:
    """Tighten each stay's end to the first uncovered point, or mark it bad; cover its inside.

    Events (kind, stay) in order, stays (low, high, last, bad). QUERY of a stay looks for the first
    point >= high that is not covered; beyond `last` it is bad, else `high` becomes it. INSERT
    covers the points between low and high. `union[0][p]` leads to the first uncovered point >= p:
    union-find with path halving, so near-linear.
    """
    kinds, which = events
    low, high, last, bad = stays
    free = union[0]
    for event in range(len(kinds)):
        stay = which[event]
        if kinds[event] == 0:
            point = first_free(free, high[stay])
            if point > last[stay]:
                bad[stay] = 1
            else:
                high[stay] = point
        else:
            point = first_free(free, low[stay] + 1)
            while point < high[stay]:
                free[point] = point + 1
                point = first_free(free, point + 1)
    return high, bad


def first_free(free: Numbers, point: int) -> int:
    """Follow the union-find to its root, halving the path."""
    while free[point] != point:
        free[point] = free[free[point]]
        point = free[point]
    return point


def layered_sweep(
    events: tuple[Numbers, Numbers],
    stays: tuple[Numbers, ...],
    tree: tuple[Numbers, Numbers],
    size: int,
) -> tuple[Numbers, Numbers]:
    """Sweep like `cover_sweep`; a point is covered if the weights on it sum to more than 0.

    Stays are (low, high, last, bad, weight); HIDE adds `weight` to the points low..high, both
    included. The tree has `size` leaves, a power of two. O(n log n).
    """
    kinds, which = events
    low, high, last, bad, weight = stays
    least, added = tree
    for event in range(len(kinds)):
        stay = which[event]
        if kinds[event] == 0:
            point = first_not_above(least, added, size, min(high[stay], size - 1))
            if point > last[stay]:
                bad[stay] = 1
            else:
                high[stay] = point
        elif kinds[event] == 1:
            add(least, added, (size, low[stay] + 1, high[stay]), weight[stay])
        else:
            add(least, added, (size, low[stay], high[stay] + 1), weight[stay])
    return high, bad


def first_not_above(least: Numbers, added: Numbers, size: int, point: int) -> int:
    """Return the first leaf >= point whose sum is not above 0; `size` if there is none.

    `least[node]` is the smallest sum below a node, without what was added to its ancestors.
    """
    node, above = point + size, 0
    up = node // 2
    while up:
        above += added[up]
        up //= 2
    while least[node] + above > 0:
        while node & 1:  # a right child, or the root: nothing to its right below its parent
            if node == 1:
                return size
            node //= 2
            above -= added[node]
        node += 1
    while node < size:
        above += added[node]
        node *= 2
        if least[node] + above > 0:
            node += 1
    return node - size


def add(least: Numbers, added: Numbers, span: tuple[int, int, int], weight: int) -> None:
    """Add `weight` to the leaves first..past-1 of the tree; span is (size, first, past)."""
    size, first, past = span
    if first >= past:
        return
    left, right = first + size, past + size
    while left < right:
        if left & 1:
            least[left] += weight
            added[left] += weight
            left += 1
        if right & 1:
            right -= 1
            least[right] += weight
            added[right] += weight
        left //= 2
        right //= 2
    for leaf in (first + size, past - 1 + size):
        node = leaf // 2
        while node:
            least[node] = min(least[2 * node], least[2 * node + 1]) + added[node]
            node //= 2


def whole_sweep(
    events: tuple[Numbers, Numbers], stays: tuple[Numbers, ...], tree: tuple[Numbers]
) -> tuple[Numbers]:
    """Mark a stay bad if one window, ranked before it and inserted before it, ends after `last`.

    Stays are (rank, ends, last, bad). QUERY asks for the largest `ends` among ranks < rank;
    INSERT enters `ends` at `rank`. A Fenwick tree of prefix maxima. O(n log n).
    """
    kinds, which = events
    rank, ends, last, bad = stays
    best = tree[0]
    for event in range(len(kinds)):
        stay = which[event]
        if kinds[event] == 0:
            place = rank[stay]
            while place > 0:
                if best[place] > last[stay]:
                    bad[stay] = 1
                place -= place & -place
        else:
            place = rank[stay] + 1
            while place < len(best):
                best[place] = max(best[place], ends[stay])
                place += place & -place
    return (bad,)


def crowd_sweep(
    events: tuple[Numbers, Numbers], stays: tuple[Numbers, ...], tree: tuple[Numbers], size: int
) -> tuple[Numbers]:
    """Count, up to `most`, the windows ranked before a stay, inserted before it, beyond `last`.

    Stays are (rank, ends, last, most, count). INSERT enters `ends` at `rank`; QUERY counts those
    among ranks < rank that are larger than `last`. The tree holds maxima over `size` leaves, a
    power of two. O(log n) for each that is counted.
    """
    kinds, which = events
    rank, ends, last, most, count = stays
    largest = tree[0]
    for event in range(len(kinds)):
        stay = which[event]
        if kinds[event] == 0:
            leaf = first_above(largest, size, 0, last[stay])
            while leaf < rank[stay] and count[stay] < most[stay]:
                count[stay] += 1
                leaf = first_above(largest, size, leaf + 1, last[stay])
        else:
            node = rank[stay] + size
            while node:
                largest[node] = max(largest[node], ends[stay])
                node //= 2
    return (count,)


def first_above(largest: Numbers, size: int, leaf: int, limit: int) -> int:
    """Return the first leaf >= leaf whose value is above the limit; `size` if there is none."""
    if leaf >= size:
        return size
    node = leaf + size
    while largest[node] <= limit:
        while node & 1:  # a right child, or the root: nothing to its right below its parent
            if node == 1:
                return size
            node //= 2
        node += 1
    while node < size:
        node *= 2
        if largest[node] <= limit:
            node += 1
    return node - size
