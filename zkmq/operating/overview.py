"""One look at all of a queue for `zkmq top`, and the rates between two looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from zkmq.operating.inspection import QueueStats, seconds_since, servers_ms, stats
from zkmq.tree import item_names
from zkmq.tree.compatibility.charter import SEGMENT_ITEMS
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.compatibility.registrations import Registered, clients
from zkmq.tree.guards import Guard, read_guards
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.request_sizes import read_each
from zkmq.zookeeper.store import GetChildren, Store, unread

# Of how many consumers, and of how many items of each, a look tells how long they are held.
MOST_TIMED = 20
ITEMS_TIMED = 5


@dataclass(frozen=True, slots=True)
class ConsumerView:
    """One consumer whose session lives, and how many items it holds.

    `held_s` is how long it has held the oldest of its first five items, in seconds and exact to
    two; None if it holds none, or if many others hold more.
    """

    registered: Registered
    held: int
    held_s: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """What a queue looks like now, at `at_s` on the store's clock.

    `consumers` begin with those that hold most. `lines` has the tail and the segments of each
    priority.
    """

    at_s: float
    stats: QueueStats
    consumers: list[ConsumerView]
    lines: dict[int, "PriorityLine"]


@dataclass(frozen=True, slots=True)
class PriorityLine:
    """How many items ever came to each segment of a priority, by its name."""

    guard: Guard
    came: dict[str, int]

    def since(self, before: "PriorityLine", segment_items: int) -> int:
        """How many items have come since. Segments that are gone by now are taken as full."""
        counts = {each: count - before.came.get(each, 0) for each, count in self.came.items()}
        for number in range(before.guard.tail, self.guard.tail):
            segment = item_names.segment_name(number)
            if segment not in self.came:
                counts[segment] = max(0, segment_items - before.came.get(segment, 0))
        return sum(counts.values())


@dataclass(frozen=True, slots=True)
class Rates:
    """Items a second between two looks: that came, that consumers took, and whose hold ended.

    What comes is put, is due, or returns.
    """

    arrived_hz: float
    taken_hz: float
    ended_hz: float


def look(store: CharteredStore, tree: QueueTree, deadline_s: float) -> Overview:
    """Look at the queue. Reads each segment and each client, 500 in one request."""
    counted = stats(store, tree, deadline_s)
    registered = [
        each for each in clients(store, tree, deadline_s) if item_names.is_consumer(each.id)
    ]
    paths = [tree.claims(each.id) for each in registered]
    claims = read_each(store, paths, deadline_s, denied=unread)
    consumers = [
        ConsumerView(each, node.children if node else 0)
        for each, node in zip(registered, claims, strict=True)
    ]
    return Overview(
        at_s=store.now(),
        stats=counted,
        consumers=_timed(store, tree, consumers, deadline_s),
        lines=dict(_lines(store, tree, deadline_s)),
    )


def rates(before: Overview, now: Overview, segment_items: int = SEGMENT_ITEMS) -> Rates | None:
    """What happened between two looks; None if a purge came between them, or no time passed.

    `segment_items` is the tree's, for segments that came and went between the looks.
    """
    passed_s = now.at_s - before.at_s
    if passed_s <= 0:
        return None
    came = 0
    for priority, line in now.lines.items():
        old = before.lines.get(priority, PriorityLine(Guard(0, line.guard.purged), {}))
        if line.guard.purged != old.guard.purged:
            return None
        came += line.since(old, segment_items)
    waiting = sum(now.stats.waiting.values()) - sum(before.stats.waiting.values())
    taken = max(0, came - waiting)
    ended = max(0, taken - (now.stats.held - before.stats.held))
    return Rates(came / passed_s, taken / passed_s, ended / passed_s)


def _timed(
    store: Store, tree: QueueTree, consumers: Sequence[ConsumerView], deadline_s: float
) -> list[ConsumerView]:
    """Add how long the consumers that hold most have held their items, the busiest first.

    One small request for each item, since a claim is as large as what it holds.
    """
    busiest = sorted(consumers, key=lambda each: (-each.held, each.registered.id))
    timed = [each for each in busiest[:MOST_TIMED] if each.held]
    if not timed:
        return busiest
    now_ms = servers_ms(store, tree, deadline_s)
    lists = [GetChildren(tree.claims(each.registered.id)) for each in timed]
    listings = store.read_many(lists, deadline_s, denied=unread).results
    for index, (each, listed) in enumerate(zip(timed, listings, strict=True)):
        names = sorted(filter(item_names.parse, listed)) if isinstance(listed, list) else []
        paths = [tree.claim(each.registered.id, name) for name in names[:ITEMS_TIMED]]
        nodes = [store.exists(path, deadline_s, denied=unread) for path in paths]
        since_ms = [node.ctime_ms for node in nodes if node is not None]
        if since_ms:
            busiest[index] = replace(each, held_s=seconds_since(min(since_ms), now_ms))
    return busiest


def _lines(store: Store, tree: QueueTree, deadline_s: float) -> Iterator[tuple[int, PriorityLine]]:
    for priority in item_names.priorities(store.list(tree.items, deadline_s) or []):
        found = read_guards(store, tree, [priority], deadline_s, denied=unread)
        guard, children = found.get(priority, (None, []))
        if guard is None:
            continue
        names = guard.waiting(children)
        paths = [tree.segment(priority, name) for name in names]
        nodes = read_each(store, paths, deadline_s, denied=unread)
        # A server counts each creation and each deletion of a child.
        came = {
            name: (node.child_changes + node.children) // 2
            for name, node in zip(names, nodes, strict=True)
            if node is not None
        }
        yield priority, PriorityLine(guard, came)
