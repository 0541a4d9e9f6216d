"""The first items of a queue, as far as one look has read them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from zkmq.tree import item_names
from zkmq.tree.paths import Guard
from zkmq.zookeeper.store import Znode


@dataclass(slots=True)
class PriorityHead:
    """One priority at one state: its segments in order, and the items of those that were read."""

    guard: Guard
    children: frozenset[str]
    segments: list[str]
    items: dict[str, list[str]] = field(default_factory=dict)
    # What else is in a segment, made by no client of this queue.
    foreign: dict[str, frozenset[str]] = field(default_factory=dict)

    def listed(self, segment: str) -> frozenset[str]:
        """All names in a segment that was read."""
        return frozenset(self.items[segment]) | self.foreign.get(segment, frozenset())


@dataclass(slots=True)
class Head:
    """The tree at one state, as far as it was read: a priority_head is None where it was not."""

    zxid: int | None
    children: frozenset[str]
    flat: dict[int, list[str]]
    priority_heads: dict[int, PriorityHead | None]

    @property
    def priorities(self) -> list[int]:
        """All priorities, most urgent first."""
        return sorted(self.flat.keys() | self.priority_heads.keys())


def flat_items(children: list[str]) -> dict[int, list[str]]:
    """The items of the original's layout, by priority and in order."""
    flat: dict[int, list[str]] = {}
    for child in sorted(children):
        name = item_names.parse(child)
        if name is not None:
            flat.setdefault(name.priority, []).append(child)
    return flat


def read_priority(
    priority: int, answers: Iterator[Znode | list[str] | None], segments: list[str]
) -> PriorityHead | None:
    """A priority_head from the answers about its guard, its children, and some of its segments."""
    guard, children = next(answers), next(answers)
    listed = [next(answers) for _ in segments]
    if not isinstance(guard, Znode) or not isinstance(children, list):
        return None
    decoded = Guard.read(guard.data, guard.version)
    if decoded is None:
        # It is damaged: nothing of it can be taken, and the other priorities go on.
        return PriorityHead(Guard(0), frozenset(children), [])
    priority_head = PriorityHead(decoded, frozenset(children), decoded.waiting(children))
    for segment, found in zip(segments, listed, strict=True):
        if isinstance(found, list):
            items = priority_head.items[segment] = item_names.items(found, priority)
            if len(items) < len(found):
                priority_head.foreign[segment] = frozenset(found).difference(items)
    return priority_head


def needed(head: Head, wanted: int) -> tuple[dict[int, list[str]], bool]:
    """What has to be read to know the first `wanted` items, and whether `head` has all of it."""
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
