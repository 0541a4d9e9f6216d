"""Look at a queue as an operator: peek and stats. Nothing here changes the tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from zkmq.putting.delayed import due_ms
from zkmq.taking.head_cache import HeadCache
from zkmq.taking.order import in_force
from zkmq.tree import envelope, item_names
from zkmq.tree.guards import read_guards
from zkmq.tree.paths import QueueTree, last_part
from zkmq.zookeeper.request_sizes import read_each, read_nodes
from zkmq.zookeeper.store import (
    GetChildren,
    Store,
)


@dataclass(frozen=True, slots=True)
class Peeked:
    """An item that waits, is delayed, or was put aside, and that no consumer holds.

    `due_ms` is when a delayed item is due, in milliseconds since 1970 on the servers' clock.
    """

    name: str
    data: bytes
    priority: int
    deliveries: int
    reason: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """The numbers of items by place, of consumers and of producers. Not counted at one moment.

    Each number is the servers' count of the nodes in a place, whatever their names are.
    `skipped` is the number of nodes that clients leave alone, because they are foreign or in the
    way. The nodes `skipped/*` in the tree say which, and why.
    `order` is the order in which the registered consumers take now, "strict" or "relaxed"; "mixed"
    if their settings differ, None if there are none.
    `paused` is the reason of a pause; None if the queue is not paused.
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


def peek(store: Store, tree: QueueTree, n: int, deadline_s: float) -> list[Peeked]:
    """Look at the first `n` waiting items."""
    first = HeadCache(store, tree).first(n, deadline_s)
    return [_peeked(candidate.name, candidate.node.data) for candidate in first]


def peek_aside(
    store: Store, tree: QueueTree, place: str, n: int, deadline_s: float
) -> list[Peeked]:
    """Look at the first `n` items of `dead` or `partial`."""
    parent = tree.place(place)
    paths = [f"{parent}/{name}" for name in names_aside(store, parent, deadline_s)[:n]]
    return [
        _peeked(last_part(path), node.data) for path, node in read_nodes(store, paths, deadline_s)
    ]


def peek_delayed(store: Store, tree: QueueTree, n: int, deadline_s: float) -> list[Peeked]:
    """Look at the `n` delayed items that are due first. Reads whole minutes of them."""
    parent, found = tree.place("delayed"), list[Peeked]()
    for minute in item_names.buckets(store.list(parent, deadline_s) or []):
        if len(found) >= n:
            break
        bucket = f"{parent}/{minute}"
        names = filter(item_names.is_delayed, store.list(bucket, deadline_s) or [])
        nodes = read_nodes(store, [f"{bucket}/{name}" for name in names], deadline_s)
        found += [
            replace(_peeked(last_part(path), node.data), due_ms=int(due_ms(node)))
            for path, node in sorted(nodes, key=lambda each: (due_ms(each[1]), each[1].czxid))
        ]
    return found[:n]


def stats(store: Store, tree: QueueTree, deadline_s: float) -> QueueStats:
    """Count items and clients. Reads each segment and each consumer, 500 in one request."""
    places = [tree.place("partial"), tree.place("dead"), tree.producers, tree.place("skipped")]
    partial, dead, producers, skipped = _children(store, places, deadline_s)
    consumers = store.list(tree.consumers, deadline_s) or []
    consumers = [name for name in consumers if item_names.is_consumer(name)]
    held = _children(store, [tree.claims(consumer) for consumer in consumers], deadline_s)
    minutes = item_names.buckets(store.list(tree.place("delayed"), deadline_s) or [])
    buckets = [f"{tree.place('delayed')}/{minute}" for minute in minutes]
    return QueueStats(
        waiting=_waiting(store, tree, deadline_s),
        held=sum(held),
        delayed=sum(_children(store, buckets, deadline_s)),
        partial=partial,
        dead=dead,
        consumers=len(consumers),
        producers=producers,
        skipped=skipped,
        order=in_force(_data(store, [tree.consumer(name) for name in consumers], deadline_s)),
    )


def names_aside(store: Store, parent: str, deadline_s: float) -> list[str]:
    """The names of the items that were put aside, in order."""
    (listed,) = store.read_many([GetChildren(parent)], deadline_s).results
    return sorted(filter(item_names.parse, listed)) if isinstance(listed, list) else []


def _waiting(store: Store, tree: QueueTree, deadline_s: float) -> dict[int, int]:
    children = store.list(tree.items, deadline_s) or []
    counts: dict[int, int] = {}
    for child in children:
        parsed = item_names.parse(child)
        if parsed is not None:
            counts[parsed.priority] = counts.get(parsed.priority, 0) + 1
    for priority in item_names.priorities(children):
        found = read_guards(store, tree, [priority], deadline_s)
        guard, listed = found.get(priority, (None, []))
        if guard is not None:
            paths = [tree.segment(priority, segment) for segment in guard.waiting(listed)]
            counts[priority] = counts.get(priority, 0) + sum(_children(store, paths, deadline_s))
    return counts


def _children(store: Store, paths: Sequence[str], deadline_s: float) -> list[int]:
    """The number of children of each node; 0 if it does not exist."""
    return [node.children if node else 0 for node in read_each(store, paths, deadline_s)]


def _data(store: Store, paths: Sequence[str], deadline_s: float) -> list[bytes]:
    """The data of each node that exists."""
    return [node.data for node in read_each(store, paths, deadline_s) if node]


def _peeked(name: str, data: bytes) -> Peeked:
    header, payload = envelope.unwrap(data)
    return Peeked(
        name,
        payload,
        item_names.priority_of(name),
        header.get("deliveries", 0),
        header.get("reason"),
        header.get("headers", {}),
        header.get("content_type"),
    )
