"""The first items of a queue, as far as one look has read them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from zkmq.tree import item_names
from zkmq.tree.paths import Guard
from zkmq.zookeeper.store import Node


@dataclass(slots=True)
class Lane:
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
    """The tree at one state, as far as it was read: a lane is None where it was not."""

    zxid: int | None
    children: frozenset[str]
    flat: dict[int, list[str]]
    lanes: dict[int, Lane | None]

    @property
    def priorities(self) -> list[int]:
        """All priorities, most urgent first."""
        return sorted(self.flat.keys() | self.lanes.keys())


def flat_items(children: list[str]) -> dict[int, list[str]]:
    """The items of the original's layout, by priority and in order."""
    flat: dict[int, list[str]] = {}
    for child in sorted(children):
        name = item_names.parse(child)
        if name is not None:
            flat.setdefault(name.priority, []).append(child)
    return flat


def read_lane(
    priority: int, answers: Iterator[Node | list[str] | None], segments: list[str]
) -> Lane | None:
    """A lane from the answers about its guard, its children, and some of its segments."""
    guard, children = next(answers), next(answers)
    listed = [next(answers) for _ in segments]
    if not isinstance(guard, Node) or not isinstance(children, list):
        return None
    decoded = Guard.read(guard.data, guard.version)
    if decoded is None:
        # It is damaged: nothing of it can be taken, and the other priorities go on.
        return Lane(Guard(0), frozenset(children), [])
    lane = Lane(decoded, frozenset(children), decoded.waiting(children))
    for segment, found in zip(segments, listed, strict=True):
        if isinstance(found, list):
            items = lane.items[segment] = item_names.items(found, priority)
            if len(items) < len(found):
                lane.foreign[segment] = frozenset(found).difference(items)
    return lane


def needed(head: Head, wanted: int) -> tuple[dict[int, list[str]], bool]:
    """What has to be read to know the first `wanted` items, and whether `head` has all of it."""
    plan: dict[int, list[str]] = {}
    complete = True
    for priority in head.priorities:
        wanted -= len(head.flat.get(priority, ()))
        if wanted <= 0:
            break
        if priority not in head.lanes:
            continue
        lane = head.lanes[priority]
        plan[priority] = []
        complete = complete and lane is not None
        if lane is None:
            continue
        for segment in lane.segments:
            plan[priority].append(segment)
            if segment not in lane.items:
                complete = False
                break
            wanted -= len(lane.items[segment])
            if wanted <= 0:
                break
        if wanted <= 0:
            break
    return plan, complete
