"""Look at a queue as an operator: peek and stats. Nothing here changes the tree.

A node that may not be read is left out. The clients that meet it mark it below `skipped`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from zkmq.putting.delayed import due_ms
from zkmq.taking.head_cache import HeadCache
from zkmq.taking.order import in_force
from zkmq.tree import envelope, item_names
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.guards import read_guards
from zkmq.tree.paths import QueueTree, last_part
from zkmq.zookeeper.request_sizes import cut, read_each, read_nodes
from zkmq.zookeeper.store import GetChildren, Store, unread

# A segment's listing has up to 34 KB.
LISTINGS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Peeked:
    """An item as an operator sees it.

    `due_ms` is when a delayed item is due, in milliseconds since 1970 on the servers' clock.
    `place` is "items", "held", "delayed", "partial" or "dead", and `consumer` who holds it.
    """

    name: str
    data: bytes
    priority: int
    deliveries: int
    reason: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    due_ms: int | None = None
    place: str | None = None
    consumer: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """The numbers of items by place, of consumers and of producers. Not counted at one moment.

    Each number is the servers' count of the nodes in a place, whatever their names are.
    `skipped` is the number of nodes that clients leave alone, because they are foreign or in the
    way. The nodes `skipped/*` in the tree say which, and why.
    `order` is the order in which the registered consumers take now, "strict" or "relaxed"; "mixed"
    if their settings differ, None if there are none.
    `paused` is the reason of a pause; None if the queue is not paused.
    `oldest_s` is how long the oldest of the first items of all priorities has waited, in seconds
    since it could first be delivered, or since a `kick`; None if nothing waits. It is exact to two
    seconds by the servers' clock. While no client runs a janitor, this machine's clock counts.
    """

    waiting: dict[int, int]
    held: int
    delayed: int
    partial: int
    dead: int
    consumers: int
    producers: int
    skipped: int = 0
    order: str | None = None
    paused: str | None = None
    oldest_s: int | None = None


def peek(store: Store, tree: QueueTree, n: int, deadline_s: float) -> list[Peeked]:
    """Look at the first `n` waiting items."""
    first = HeadCache(store, tree, marks=False).first(n, deadline_s)
    return [peeked(candidate.name, candidate.node.data, "items") for candidate in first]


def peek_aside(
    store: Store, tree: QueueTree, place: str, n: int, deadline_s: float
) -> list[Peeked]:
    """Look at the first `n` items of `dead` or `partial`."""
    parent = tree.place(place)
    paths = [f"{parent}/{name}" for name in names_aside(store, parent, deadline_s)[:n]]
    return [
        peeked(last_part(path), node.data, place)
        for path, node in read_nodes(store, paths, deadline_s, denied=unread)
    ]


def peek_delayed(store: Store, tree: QueueTree, n: int, deadline_s: float) -> list[Peeked]:
    """Look at the `n` delayed items that are due first. Reads whole minutes of them."""
    parent, found = tree.place("delayed"), list[Peeked]()
    for minute in item_names.buckets(store.list(parent, deadline_s) or []):
        if len(found) >= n:
            break
        bucket = f"{parent}/{minute}"
        listed = store.list(bucket, deadline_s, denied=unread) or []
        paths = [f"{bucket}/{name}" for name in filter(item_names.is_delayed, listed)]
        nodes = read_nodes(store, paths, deadline_s, denied=unread)
        found += [
            replace(peeked(last_part(path), node.data, "delayed"), due_ms=int(due_ms(node)))
            for path, node in sorted(nodes, key=lambda each: (due_ms(each[1]), each[1].czxid))
        ]
    return found[:n]


def stats(store: CharteredStore, tree: QueueTree, deadline_s: float) -> QueueStats:
    """Count items and clients. Reads each segment and each consumer, 500 in one request."""
    places = [tree.place("partial"), tree.place("dead"), tree.producers, tree.place("skipped")]
    partial, dead, producers, skipped = _children(store, places, deadline_s)
    consumers = store.list(tree.consumers, deadline_s) or []
    consumers = [name for name in consumers if item_names.is_consumer(name)]
    held = _children(store, [tree.claims(consumer) for consumer in consumers], deadline_s)
    minutes = item_names.buckets(store.list(tree.place("delayed"), deadline_s) or [])
    buckets = [f"{tree.place('delayed')}/{minute}" for minute in minutes]
    waiting, first = _waiting(store, tree, deadline_s)
    registrations = [tree.consumer(name) for name in consumers]
    registered = read_each(store, registrations, deadline_s, denied=unread)
    return QueueStats(
        waiting=waiting,
        held=sum(held),
        delayed=sum(_children(store, buckets, deadline_s)),
        partial=partial,
        dead=dead,
        consumers=len(consumers),
        producers=producers,
        skipped=skipped,
        order=in_force([node.data for node in registered if node]),
        paused=store.charter.paused,  # read together with the counts
        oldest_s=_oldest_s(store, tree, first, deadline_s),
    )


def names_aside(store: Store, parent: str, deadline_s: float) -> list[str]:
    """The names of the items that were put aside, in order."""
    (listed,) = store.read_many([GetChildren(parent)], deadline_s).results
    return sorted(filter(item_names.parse, listed)) if isinstance(listed, list) else []


def servers_ms(store: Store, tree: QueueTree, deadline_s: float) -> float:
    """The servers' clock, exact to two seconds; this machine's while no client runs a janitor."""
    # The elected janitor writes `clock` every two seconds.
    lock, clock = read_each(store, [tree.lock, tree.clock], deadline_s, denied=unread)
    return clock.mtime_ms if lock and clock else wall_ms()


def seconds_since(since_ms: float, now_ms: float) -> int:
    """How long ago that was, in whole seconds."""
    return max(0, int(now_ms - since_ms) // 1000)


def wall_ms() -> float:
    """This machine's clock, in milliseconds since 1970."""
    return datetime.now(UTC).timestamp() * 1000


def _waiting(store: Store, tree: QueueTree, deadline_s: float) -> tuple[dict[int, int], list[str]]:
    """The number of waiting items by priority, and where the first item of each is.

    That is its path if it is in no segment, else the segment that it is in.
    """
    children = sorted(store.list(tree.items, deadline_s) or [])
    counts: dict[int, int] = {}
    first: dict[int, str] = {}
    for child in children:
        parsed = item_names.parse(child)
        if parsed is not None:
            counts[parsed.priority] = counts.get(parsed.priority, 0) + 1
            first.setdefault(parsed.priority, f"{tree.items}/{child}")
    for priority in item_names.priorities(children):
        found = read_guards(store, tree, [priority], deadline_s, denied=unread)
        guard, listed = found.get(priority, (None, []))
        if guard is not None:
            paths = [tree.segment(priority, segment) for segment in guard.waiting(listed)]
            sizes = _children(store, paths, deadline_s)
            counts[priority] = counts.get(priority, 0) + sum(sizes)
            filled = (path for path, size in zip(paths, sizes, strict=True) if size)
            first.setdefault(priority, next(filled, ""))
    return counts, list(filter(None, first.values()))


def _oldest_s(store: Store, tree: QueueTree, first: Sequence[str], deadline_s: float) -> int | None:
    paths = list(_first_items(store, first, deadline_s))
    since_ms = [
        envelope.unwrap(node.data)[0].get("put_ms", node.ctime_ms)
        for _, node in read_nodes(store, paths, deadline_s, denied=unread)
    ]
    if not since_ms:
        return None
    return seconds_since(min(since_ms), servers_ms(store, tree, deadline_s))


def _first_items(store: Store, first: Sequence[str], deadline_s: float) -> Iterator[str]:
    """The path of the first item in each segment. A path of an item stays as it is."""
    yield from (path for path in first if item_names.parse(last_part(path)))
    segments = [path for path in first if not item_names.parse(last_part(path))]
    for part in cut(segments, LISTINGS_AT_ONCE):
        reads = [GetChildren(path) for path in part]
        listings = store.read_many(reads, deadline_s, denied=unread).results
        for path, names in zip(part, listings, strict=True):
            listed = names if isinstance(names, list) else []
            yield from (f"{path}/{name}" for name in sorted(filter(item_names.parse, listed))[:1])


def _children(store: Store, paths: Sequence[str], deadline_s: float) -> list[int]:
    """The number of children of each node; 0 if it does not exist, or may not be read."""
    nodes = read_each(store, paths, deadline_s, denied=unread)
    return [node.children if node else 0 for node in nodes]


def peeked(name: str, data: bytes, place: str) -> Peeked:
    """An item as an operator sees it, from the name and the data of its node."""
    header, payload = envelope.unwrap(data)
    return Peeked(
        name,
        payload,
        item_names.priority_of(name),
        header.get("deliveries", 0),
        header.get("reason"),
        header.get("headers", {}),
        header.get("content_type"),
        place=place,
        group=header.get("group"),
    )
