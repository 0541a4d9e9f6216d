"""Whether anything grows: what there is at the end of each month of use, and of what there is more.

Memory is counted twice: by the objects that the oldest client refers to, and by the interpreter's
own blocks, of the whole process; the size of a process would say less, and another thing in every
run. What a client remembers of a tree is bounded at
1,000 names of a kind, which takes years to fill; `small_caches` has them full within days, so that
what is not bounded stands out.
"""

import gc
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from unittest import mock

from kazoo.client import KazooClient

from worlds.memory.network import MemoryClient, Request
from worlds.sim.scheduler import Scheduler
from zkmq.tree.bounded_set import BoundedSet

# How much more there may be at the end than after the first month: what waits, and who is there
# just then, differs from day to day.
MOST_MORE_NODES = 25
MOST_MORE_OBJECTS = 150
MOST_MORE_BLOCKS = 4000
MOST_TIMES_DEARER = 1.1
REMEMBERED = 16
# A logger leads to the records that pytest keeps of each test.
NOT_FOLLOWED = (
    type, FunctionType, ModuleType, MemoryClient, Scheduler, Request, KazooClient, threading.Thread,
    logging.Logger,
)  # fmt: skip


@contextmanager
def small_caches() -> Iterator[None]:
    """Let clients remember less."""
    with mock.patch.object(BoundedSet.__init__, "__defaults__", (REMEMBERED,)):
        yield


@dataclass
class Costs:
    """What calls of some kinds took so far."""

    calls: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    ms: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, requests: int, seconds: float) -> None:
        """Add one call."""
        self.calls[what] += 1
        self.requests[what] += requests
        self.ms[what] += seconds * 1000  # type: ignore[assignment]

    def mean(self, sums: Counter[str]) -> dict[str, float]:
        """What one call took."""
        return {what: sums[what] / count for what, count in sorted(self.calls.items())}


@dataclass(frozen=True, slots=True)
class Month:
    """What there was at the end of a month, and what calls took in it.

    Attributes:
        puts: all so far.
        nodes: of the queue's tree, by the places below its root.
        objects: that the client refers to which is there since the first day.
        blocks: of memory, in this process.
        threads: of this process.
        requests: how many one call took, by what it was.
        ms: how long it took, in virtual time.
    """

    number: int
    puts: int
    nodes: Mapping[str, int]
    objects: int
    blocks: int
    threads: int
    requests: Mapping[str, float]
    ms: Mapping[str, float]


def threads() -> int:
    """How many threads the kernel runs in this process.

    `threading` counts one that `_thread` started, and that has ended, until its number is used
    again.
    """
    return len(list(Path("/proc/self/task").iterdir()))


def looked_at(
    number: int, paths: Iterable[str], costs: Costs, puts: int, oldest: Sequence[object]
) -> Month:
    """Count what there is now; `oldest` is a client that has been there for long."""
    gc.collect()
    return Month(
        number,
        puts,
        Counter(path.split("/")[2] for path in paths),
        _reachable(oldest),
        sys.getallocatedblocks(),
        threads(),
        costs.mean(costs.requests),
        costs.mean(costs.ms),
    )


def _reachable(roots: Sequence[object]) -> int:
    """How many objects some refer to, without what is code, or the world around them."""
    seen: set[int] = set()
    keys = 0  # the texts among a dictionary's keys are not among its referents
    following = list(roots)
    while following:
        found = following.pop()
        if id(found) not in seen and not isinstance(found, NOT_FOLLOWED):
            seen.add(id(found))
            keys += len(found) if isinstance(found, dict) else 0
            following += gc.get_referents(found)
    return len(seen) + keys


def grown(months: Sequence[Month]) -> list[str]:
    """What there is more of at the end than after the first month, for people."""
    first, last = months[0], months[-1]
    found = [
        f"nodes: {place}: from {first.nodes.get(place, 0)} to {count}"
        for place, count in last.nodes.items()
        if count > first.nodes.get(place, 0) + MOST_MORE_NODES
    ]
    if last.objects > first.objects + MOST_MORE_OBJECTS:
        found.append(f"objects: from {first.objects} to {last.objects}")
    if last.blocks > first.blocks + MOST_MORE_BLOCKS:
        found.append(f"memory: from {first.blocks} to {last.blocks} blocks")
    if last.threads > first.threads:
        found.append(f"threads: from {first.threads} to {last.threads}")
    for unit, before, after in (
        ("requests", first.requests, last.requests),
        ("ms", first.ms, last.ms),
    ):
        found += [
            f"{unit}: {what}: from {before[what]:.2f} to {after[what]:.2f}"
            for what in before
            if after[what] > before[what] * MOST_TIMES_DEARER
        ]
    return found


def table(months: Sequence[Month]) -> list[str]:
    """The months as a table of a page."""
    calls = sorted(months[0].requests)
    heads = ["month", "puts", "nodes", "objects", "blocks", "threads"]
    heads += [f"requests of a {call}" for call in calls] + [f"ms of a {call}" for call in calls]
    rows = [" | ".join(heads), "|".join(["---"] * len(heads))]
    for month in months:
        cells = [month.number, month.puts, sum(month.nodes.values()), month.objects]
        cells += [month.blocks, month.threads]
        costs = [f"{month.requests[call]:.2f}" for call in calls]
        costs += [f"{month.ms[call]:.1f}" for call in calls]
        rows.append(" | ".join([*map(str, cells), *costs]))
    return [f"| {row} |" for row in rows]
