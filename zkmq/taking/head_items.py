"""The first items of a queue, as one look has read them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.zookeeper.store import Znode


@dataclass(slots=True)
class PriorityHead:
    """One priority at one state: its segments in order, and the items of those that were read."""

    guard: Guard
    children: frozenset[str]
    segments: list[str]
    items: dict[str, list[str]] = field(default_factory=dict)
    # Other children of a segment, which no client of a queue makes.
    foreign: dict[str, frozenset[str]] = field(default_factory=dict)

    def listed(self, segment: str) -> frozenset[str]:
        """All children of a segment that was read."""
        return frozenset(self.items[segment]) | self.foreign.get(segment, frozenset())


@dataclass(slots=True)
class Head:
    """The head of the queue at one state. A priority that was not read is None."""

    zxid: int | None
    children: frozenset[str]
    flat: dict[int, list[str]]
    priority_heads: dict[int, PriorityHead | None]
    # The locks of groups; None if no item ever had a group.
    locks: frozenset[str] | None = None

    @property
    def priorities(self) -> list[int]:
        """All priorities that exist, most urgent first."""
        return sorted(self.flat.keys() | self.priority_heads.keys())


def flat_items(children: list[str]) -> dict[int, list[str]]:
    """The items in the original's flat layout, by priority and in order."""
    flat: dict[int, list[str]] = {}
    for child in sorted(children):
        name = item_names.parse(child)
        if name is not None:
            flat.setdefault(name.priority, []).append(child)
    return flat


def read_priority(
    priority: int, answers: Iterator[Znode | list[str] | None], segments: list[str]
) -> PriorityHead | None:
    """Take one priority's answers: its guard, its children, and some of its segments."""
    guard, children = next(answers), next(answers)
    listed = [next(answers) for _ in segments]
    if not isinstance(guard, Znode) or not isinstance(children, list):
        return None
    decoded = Guard.read(guard.data, guard.version)
    if decoded is None:
        # The guard is damaged. Nothing of this priority can be taken; the others continue.
        return PriorityHead(Guard(0), frozenset(children), [])
    priority_head = PriorityHead(decoded, frozenset(children), decoded.waiting(children))
    for segment, found in zip(segments, listed, strict=True):
        if isinstance(found, list):
            items = priority_head.items[segment] = item_names.items(found, priority)
            if len(items) < len(found):
                priority_head.foreign[segment] = frozenset(found).difference(items)
    return priority_head


def needed(head: Head, wanted: int) -> tuple[dict[int, list[str]], bool]:
    """The segments to read for the first `wanted` items, and whether `head` has them all."""
    plan: dict[int, list[str]] = {}
    complete = True
    for priority in head.priorities:
        wanted -= len(head.flat.get(priority, ()))
        if wanted <= 0:
            break
        if priority not in head.priority_heads:
            continue
        priority_head = head.priority_heads[priority]
        plan[priority] = []
        complete = complete and priority_head is not None
        if priority_head is None:
            continue
        for segment in priority_head.segments:
            plan[priority].append(segment)
            if segment not in priority_head.items:
                complete = False
                break
            wanted -= len(priority_head.items[segment])
            if wanted <= 0:
                break
        if wanted <= 0:
            break
    return plan, complete
