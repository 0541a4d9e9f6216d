"""What an operator does with a queue: peek, stats, kick and purge."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from zkmq.errors import NoQuorumError, NotAppliedError, OutcomeUnknownError
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.head_cache import HeadCache
from zkmq.taking.order import in_force
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.charter import SEGMENT_ITEMS
from zkmq.tree.paths import Guard, QueueTree
from zkmq.zookeeper.idempotent import commit_idempotent
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.request_sizes import read_load, read_nodes, too_large
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Op,
    Read,
    Rejected,
    SetData,
    Store,
    Znode,
)

KICK_BATCH = 100
READS_AT_ONCE = 500
# Room for two operations. The header of an item that comes back gets shorter.
GROWTH_BYTES = 1000
# Producers expect the next segments after the tail. After a purge, none of those may exist.
PURGE_GAP = 1000


@dataclass(frozen=True, slots=True)
class Peeked:
    """An item that waits or was put aside, and that no consumer holds."""

    name: str
    data: bytes
    priority: int
    deliveries: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """The numbers of items by place, of consumers and of producers. Not counted at one moment.

    Each number is the servers' count of the nodes in a place, whatever their names are.
    `skipped` is the number of nodes that clients leave alone, because they are foreign or in the
    way. The nodes `skipped/*` in the tree say which, and why.
    `order` is the order in which the registered consumers take now, "strict" or "relaxed"; "mixed"
    if their settings differ, None if there are none.
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


@dataclass(frozen=True, slots=True)
class Changed:
    """What `kick` or `purge` did: the number of items, or of priorities, and the last zxid.

    `zxid` is that of the last write; None if there was no write, or its reply was lost.
    """

    count: int
    zxid: int | None


def peek(store: Store, tree: QueueTree, n: int, deadline_s: float) -> list[Peeked]:
    """Look at the first `n` waiting items."""
    first = HeadCache(store, tree).first(n, deadline_s)
    return [_peeked(candidate.name, candidate.node.data) for candidate in first]


def peek_aside(
    store: Store, tree: QueueTree, place: str, n: int, deadline_s: float
) -> list[Peeked]:
    """Look at the first `n` items of `dead` or `partial`."""
    parent = tree.place(place)
    paths = [f"{parent}/{name}" for name in _aside(store, parent, deadline_s)[:n]]
    return [_peeked(_name(path), node.data) for path, node in read_nodes(store, paths, deadline_s)]


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


@contextmanager
def _maybe_done() -> Iterator[None]:
    """Turn NoQuorumError into OutcomeUnknownError, since an earlier write may have taken effect."""
    try:
        yield
    except NoQuorumError as error:
        raise OutcomeUnknownError(f"{error}; some of it may have taken effect") from error


@_maybe_done()
def kick(store: Store, tree: QueueTree, n: int, place: str, deadline_s: float) -> Changed:
    """Bring up to `n` items back from `dead` or `partial` to their old places.

    Raises:
        OutcomeUnknownError: no answer before the deadline; some may have come back.
    """
    return_places = ReturnPlaces(tree, TailSegments(store, tree, SEGMENT_ITEMS))
    parent = tree.place(place)
    stay: set[str] = set()
    kicked, zxid = 0, None
    while kicked < n:
        names_left = [name for name in _aside(store, parent, deadline_s) if name not in stay]
        paths = [f"{parent}/{name}" for name in names_left[: min(KICK_BATCH, n - kicked)]]
        load, _ = read_load(store, paths, deadline_s)
        stay.update(_name(path) for path, node in load if too_large(path, node.data, GROWTH_BYTES))
        nodes = [(_name(path), node) for path, node in load if _name(path) not in stay]
        if not paths:
            break
        if not nodes:
            continue
        ops: list[Op] = [Delete(f"{parent}/{name}", node.version) for name, node in nodes]
        ops += return_places.returns(
            [(name, _forgiven(node.data)) for name, node in nodes], deadline_s
        )
        match store.commit(ops, deadline_s):
            case Committed(zxid=written):
                kicked, zxid = kicked + len(nodes), written
            case Rejected(_, Code.NO_AUTH | Code.OTHER) if kicked:
                break
            case Rejected(index, Code.NOT_EMPTY):
                stay.add(_name(ops[index].path))
            case Rejected(index, code, number):
                if not return_places.learn(ops[index], code):
                    _look_again(store, ops[index].path, "kick", (code, number), deadline_s)
            case Lost(reason):
                _pause(store, reason, deadline_s)
                store.sync(parent, deadline_s)
                left = store.list(parent, deadline_s) or []
                came = sum(name not in left for name, _ in nodes)
                kicked, zxid = kicked + came, None if came else zxid
    return Changed(kicked, zxid)


@_maybe_done()
def purge(
    store: Store, tree: QueueTree, priorities: Sequence[int] | None, deadline_s: float
) -> Changed:
    """Purge the waiting items of these priorities, or of all; count the priorities that exist.

    Makes one write for each priority, however many items wait. The janitor deletes the items later.
    Items that are held are not purged, not even when they come back.

    Raises:
        OutcomeUnknownError: no answer before the deadline; some priorities may have been purged.
    """
    store.sync(tree.items, deadline_s)
    children = store.list(tree.items, deadline_s) or []
    chosen = priorities if priorities is not None else item_names.priorities(children)
    _purge_flat(store, tree, [c for c in children if item_names.parse(c)], chosen, deadline_s)
    purged, zxid = 0, None
    for count, priority in enumerate(sorted(chosen)):
        try:
            there, written = _purge_one(store, tree, priority, deadline_s)
            purged, zxid = purged + there, written if there else zxid
        except NotAppliedError as error:
            if not count:
                raise
            raise OutcomeUnknownError(
                f"{error}; {count} of {len(chosen)} priorities were purged before"
            ) from error
    return Changed(purged, zxid)


def _purge_one(
    store: Store, tree: QueueTree, priority: int, deadline_s: float
) -> tuple[bool, int | None]:
    """Purge one priority; return whether it exists, and the zxid of the write, if there was one."""
    path = tree.priority(priority)
    goal: int | None = None
    gap = PURGE_GAP
    while True:
        (node,) = store.read_many([GetData(path)], deadline_s).results
        guard = Guard.read(node.data, node.version) if isinstance(node, Znode) else None
        if guard is None:
            return False, None
        goal = guard.tail if goal is None else goal
        if guard.purged >= goal:
            return True, None
        purged = Guard(guard.tail + gap, guard.tail)
        ops: list[Op] = [
            Create(tree.segment(priority, purged.tail_name)),
            SetData(path, purged.encode(), guard.version),
        ]
        match store.commit(ops, deadline_s):
            case Committed(zxid=written):
                return True, written
            case Rejected(index, code, number):
                gap += code is Code.NODE_EXISTS  # a foreign client made that segment
                _look_again(store, ops[index].path, "purge", (code, number), deadline_s)
            case Lost(reason):
                _pause(store, reason, deadline_s)
                store.sync(path, deadline_s)


def _purge_flat(
    store: Store, tree: QueueTree, flat: Sequence[str], priorities: Sequence[int], deadline_s: float
) -> None:
    """Delete the items of the original one by one, since they are in no segment."""
    for name in flat:
        parsed = item_names.parse(name)
        if parsed is not None and parsed.priority in priorities:
            # It does not matter whether another client deleted or took it first.
            flat_item = [Delete(f"{tree.items}/{name}")]
            commit_idempotent(store, "purge", flat_item, deadline_s, as_good={Code.NO_NODE})


def _waiting(store: Store, tree: QueueTree, deadline_s: float) -> dict[int, int]:
    children = store.list(tree.items, deadline_s) or []
    counts: dict[int, int] = {}
    for child in children:
        parsed = item_names.parse(child)
        if parsed is not None:
            counts[parsed.priority] = counts.get(parsed.priority, 0) + 1
    for priority in item_names.priorities(children):
        path = tree.priority(priority)
        node, listed = store.read_many([GetData(path), GetChildren(path)], deadline_s).results
        guard = Guard.read(node.data, node.version) if isinstance(node, Znode) else None
        if guard is not None and isinstance(listed, list):
            paths = [tree.segment(priority, segment) for segment in guard.waiting(listed)]
            counts[priority] = counts.get(priority, 0) + sum(_children(store, paths, deadline_s))
    return counts


def _children(store: Store, paths: Sequence[str], deadline_s: float) -> list[int]:
    """The number of children of each node; 0 if it does not exist."""
    return [node.children if node else 0 for node in _nodes(store, paths, deadline_s)]


def _data(store: Store, paths: Sequence[str], deadline_s: float) -> list[bytes]:
    """The data of each node that exists."""
    return [node.data for node in _nodes(store, paths, deadline_s) if node]


def _nodes(store: Store, paths: Sequence[str], deadline_s: float) -> Iterator[Znode | None]:
    for start in range(0, len(paths), READS_AT_ONCE):
        reads: list[Read] = [GetData(path) for path in paths[start : start + READS_AT_ONCE]]
        for node in store.read_many(reads, deadline_s).results:
            yield node if isinstance(node, Znode) else None


def _aside(store: Store, parent: str, deadline_s: float) -> list[str]:
    """The names of the items that were put aside, in order."""
    (listed,) = store.read_many([GetChildren(parent)], deadline_s).results
    return sorted(filter(item_names.parse, listed)) if isinstance(listed, list) else []


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _look_again(
    store: Store, path: str, what: str, refused: tuple[Code, int], deadline_s: float
) -> None:
    """Let the server catch up after a stale read.

    Raises:
        NotAppliedError: the refusal has another reason than a stale read.
        NoQuorumError: the deadline has passed.
    """
    code, number = refused
    if code in {Code.NO_AUTH, Code.OTHER}:
        raise refusal(path, what, code, number)
    if store.now() >= deadline_s:
        raise NoQuorumError(f"{path}: {what}: refused until the deadline ({code.name})")
    store.sync(path, deadline_s)


def _pause(store: Store, reason: str, deadline_s: float) -> None:
    if store.now() >= deadline_s or not store.wait_connected(deadline_s):
        raise NoQuorumError(f"no answer in time ({reason})")


def _forgiven(data: bytes) -> bytes:
    """The item without the reason it was put aside. Its earlier deliveries no longer count."""
    header, payload = envelope.unwrap(data)
    header = {key: header[key] for key in header if key not in {"reason", "last_owner"}}
    return envelope.wrap(payload, header | {"forgiven": header.get("deliveries", 0)})


def _peeked(name: str, data: bytes) -> Peeked:
    header, payload = envelope.unwrap(data)
    return Peeked(name, payload, int(name[5:8]), header.get("deliveries", 0), header.get("reason"))
