"""The first items of a queue, read in one request and so at one state of the tree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zkmq.errors import IncompatibleTreeError
from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.store import GetChildren, GetData, Read, Store, Znode


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
    # The nodes of which this says nothing: they are damaged, or are not to be looked at.
    unread: set[str] = field(default_factory=set)
    # How many consumers are registered, if that was asked for.
    consumers: int = 0

    @property
    def priorities(self) -> list[int]:
        """All priorities that exist, most urgent first."""
        return sorted(self.flat.keys() | self.priority_heads.keys())

    def paths(self, tree: QueueTree) -> Iterator[str]:
        """The items in order, up to the first segment that was not read."""
        for priority in self.priorities:
            for name in self.flat.get(priority, ()):
                yield f"{tree.items}/{name}"
            if priority not in self.priority_heads:
                continue
            priority_head = self.priority_heads[priority]
            if priority_head is None:
                return
            for segment in priority_head.segments:
                if segment not in priority_head.items:
                    return
                path = tree.segment(priority, segment)
                for name in priority_head.items[segment]:
                    yield f"{path}/{name}"

    def listings(self, tree: QueueTree) -> Iterator[tuple[str, frozenset[str]]]:
        """What was read, as (path, children). A new child may be a new item."""
        yield tree.items, self.children
        if self.locks is not None:
            yield tree.groups, self.locks
        for priority, priority_head in self.priority_heads.items():
            path = tree.priority(priority)
            if priority_head is not None and path not in self.unread:
                yield path, priority_head.children
                for segment in priority_head.items:
                    if f"{path}/{segment}" not in self.unread:
                        yield f"{path}/{segment}", priority_head.listed(segment)


def read_head(
    store: Store,
    tree: QueueTree,
    plan: Mapping[int, list[str]],
    deadline_s: float,
    *,
    count_consumers: bool,
    skips: SkippedNodes,
) -> Head:
    """Read the head: of each priority in `plan`, the guard and these segments.

    What may not be read joins `skips`, and is empty in the answer, as are segments in `skips`.

    Raises:
        IncompatibleTreeError: there is no queue any more.
        NoQuorumError: no answer before the deadline.
        AccessDeniedError: this client may not read the queue at all.
    """
    reads: list[Read] = [GetChildren(tree.items)]
    for priority, segments in plan.items():
        path = tree.priority(priority)
        reads += [GetData(path), GetChildren(path)]
        reads += [GetChildren(f"{path}/{segment}") for segment in segments]
    reads.append(GetChildren(tree.groups))
    if count_consumers:
        reads.append(GetData(tree.consumers))
    unread: set[str] = set()

    def denied(path: str) -> None:
        skips.deny(path)
        unread.add(path)

    view = store.read_many(reads, deadline_s, denied=denied)
    answers = iter(view.results)
    children = next(answers)
    if not isinstance(children, list):
        raise IncompatibleTreeError(f"{tree.items}: expected a queue, found nothing")
    priority_heads: dict[int, PriorityHead | None] = dict.fromkeys(item_names.priorities(children))
    head = Head(view.zxid, frozenset(children), _flat_items(children), priority_heads)
    head.unread = unread
    for priority, segments in plan.items():
        path = tree.priority(priority)
        if skips:
            unread.update(each for segment in segments if (each := f"{path}/{segment}") in skips)
        priority_head = _read_priority(priority, path, answers, segments, unread)
        if priority in priority_heads:  # else it is gone
            priority_heads[priority] = priority_head
    locks = next(answers)
    head.locks = frozenset(locks) if isinstance(locks, list) else None
    registered = next(answers, None)
    head.consumers = registered.children if isinstance(registered, Znode) else 0
    return head


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


def _flat_items(children: list[str]) -> dict[int, list[str]]:
    """The items in the original's flat layout, by priority and in order."""
    flat: dict[int, list[str]] = {}
    for child in sorted(children):
        name = item_names.parse(child)
        if name is not None:
            flat.setdefault(name.priority, []).append(child)
    return flat


def _read_priority(
    priority: int,
    path: str,
    answers: Iterator[Znode | list[str] | None],
    segments: list[str],
    unread: set[str],
) -> PriorityHead | None:
    """Take one priority's answers: its guard, its children, and some of its segments."""
    guard, children = next(answers), next(answers)
    listed = [next(answers) for _ in segments]
    if path in unread:
        return PriorityHead(Guard(0), frozenset(), [])
    if not isinstance(guard, Znode) or not isinstance(children, list):
        return None
    decoded = Guard.read(guard.data, guard.version)
    if decoded is None:
        # The guard is damaged. Nothing of this priority can be taken; the others continue.
        unread.add(path)
        return PriorityHead(Guard(0), frozenset(children), [])
    priority_head = PriorityHead(decoded, frozenset(children), decoded.waiting(children))
    for segment, found in zip(segments, listed, strict=True):
        if f"{path}/{segment}" in unread:
            priority_head.items[segment] = []
        elif isinstance(found, list):
            items = priority_head.items[segment] = item_names.items(found, priority)
            if len(items) < len(found):
                priority_head.foreign[segment] = frozenset(found).difference(items)
    return priority_head
