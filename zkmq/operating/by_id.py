"""One item by its id: find it wherever it is, and delete it for ever."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zkmq import checks
from zkmq.errors import BadArgumentError, ItemHeldError, NoQuorumError
from zkmq.operating.changes import Changed
from zkmq.operating.inspection import Peeked, peeked
from zkmq.operating.operator_writes import OperatorWrites
from zkmq.putting.delayed import due_ms
from zkmq.taking.group_locks import GroupLocks
from zkmq.tree import envelope, item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.ticket import TookEffect
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.request_sizes import MAX_READS, cut
from zkmq.zookeeper.store import (
    Code,
    Delete,
    Denied,
    GetChildren,
    GetData,
    Op,
    Read,
    Store,
    Znode,
    is_there,
)

MAX_ITEM_ID = 1000


@dataclass(frozen=True, slots=True)
class Located:
    """Where an item is. `consumer` holds it, if it is held."""

    path: str
    node: Znode
    place: str
    consumer: str | None = None


def checked_id(label: str, id: str) -> str:
    """Check an item's id; of a name, remove the generation.

    Raises:
        BadArgumentError: it is none.
    """
    checks.text(f"{label}: id", id, MAX_ITEM_ID, least=1)
    if not item_names.is_delayed(id):
        raise BadArgumentError(
            f"{label}: id: expected one like item-100-0000000000-0000000001, got {id!r}"
        )
    return item_names.base(id)


def inspect(store: Store, tree: QueueTree, id: str, deadline_s: float) -> Peeked | None:
    """Look at one item; None if it is nowhere, so that it is done, purged, or was never put."""
    found = locate(store, tree, id, deadline_s)
    if found is None:
        return None
    shown = peeked(last_part(found.path), found.node.data, found.place)
    due = int(due_ms(found.node)) if found.place == "delayed" else None
    return replace(shown, consumer=found.consumer, due_ms=due)


def delete(
    store: Store, tree: QueueTree, id: str, writes: OperatorWrites, deadline_s: float
) -> Changed:
    """Delete one item for ever, unless a consumer holds it. Call this within `writes.call`.

    A path occurs only once, and names one delivery. So the deletion hits the item as it was found,
    or nothing, and then it is looked for again.

    Raises:
        ItemHeldError: a consumer holds it; nothing is changed.
        OutcomeUnknownError: no answer before the deadline.
    """
    locks = GroupLocks(tree)
    while (found := locate(store, tree, id, deadline_s)) is not None:
        if found.consumer is not None:
            raise ItemHeldError(
                f"{id}: expected an item that nobody holds, got one that {found.consumer} holds; "
                "wait until it is done or comes back"
            )
        ops: list[Op] = [Delete(found.path, found.node.version)]
        if found.place == "delayed" and item_names.parse(last_part(found.path)):
            # Its group has waited for it.
            ops += locks.unlocks([envelope.unwrap(found.node.data)[0]])
        result = writes.write("delete", ops, deadline_s, count=1)
        if isinstance(result, TookEffect):
            return Changed(1, result.zxid)
        if result.code is Code.NOT_EMPTY:
            raise refusal(found.path, "delete", result.code)
        locks.learn(ops[result.index], result.code)
        if store.now() >= deadline_s:
            raise NoQuorumError(f"{id}: delete: the item moved until the deadline")
        store.sync(tree.root, deadline_s)
    return Changed(0, None)


def locate(store: Store, tree: QueueTree, id: str, deadline_s: float) -> Located | None:
    """Find an item by its id, or by its name; None if it is nowhere.

    Reads only the segments in which the item can wait, and the names of what is held, put aside or
    delayed: all at one state of the tree, if that needs no more than 500 reads. An item that moves
    during a longer look can be missed.

    Raises:
        NoQuorumError: no answer before the deadline.
        AccessDeniedError: it was not found, but a place where it may be could not be read.
    """
    store.sync(tree.root, deadline_s)
    while True:
        denied: list[str] = []
        places = _places(store, tree, id, deadline_s, denied.append)
        path = _find(store, id, places, deadline_s, denied.append)
        if path is not None:
            found = _read(store, tree, path, deadline_s)
            if found is not None:
                return found
        elif places == _places(store, tree, id, deadline_s, denied.append):
            if denied:
                raise refusal(denied[0], "find an item", Code.NO_AUTH)
            return None
        if store.now() >= deadline_s:
            raise NoQuorumError(f"{id}: the item moved until the deadline")


def _places(store: Store, tree: QueueTree, id: str, deadline_s: float, denied: Denied) -> list[str]:
    """The nodes of which the item can be a child, as the tree is now."""
    parsed = item_names.parse(id)
    reads: list[Read] = [GetChildren(tree.consumers), GetChildren(tree.place("delayed"))]
    if parsed is not None:
        priority = tree.priority(parsed.priority)
        reads += [GetData(priority), GetChildren(priority)]
    consumers, minutes, *guarded = store.read_many(reads, deadline_s, denied=denied).results
    places = [tree.items, tree.place("dead"), tree.place("partial")]
    if parsed is not None and parsed.segment is not None:
        node, segments = guarded
        guard = Guard.read(node.data, node.version) if isinstance(node, Znode) else None
        if guard is not None and isinstance(segments, list):
            own = item_names.segment_name(parsed.segment)
            homes = {own, item_names.returns_name(own), guard.return_segment(parsed)}
            waiting = [each for each in guard.waiting(segments) if each in homes]
            places += [tree.segment(parsed.priority, each) for each in waiting]
    if isinstance(consumers, list):
        places += [tree.claims(each) for each in sorted(filter(item_names.is_consumer, consumers))]
    if isinstance(minutes, list):
        places += [f"{tree.place('delayed')}/{each}" for each in item_names.buckets(minutes)]
    return places


def _find(
    store: Store, id: str, places: Sequence[str], deadline_s: float, denied: Denied
) -> str | None:
    wanted = id if item_names.parse(id) is None else item_names.base(id)
    for part in cut(places, MAX_READS):
        reads = [GetChildren(place) for place in part]
        listings = store.read_many(reads, deadline_s, denied=denied).results
        for place, names in zip(part, listings, strict=True):
            for name in names if isinstance(names, list) else ():
                if item_names.is_delayed(name) and item_names.base(name) == wanted:
                    return f"{place}/{name}"
    return None


def _read(store: Store, tree: QueueTree, path: str, deadline_s: float) -> Located | None:
    (node,) = store.read_many([GetData(path)], deadline_s).results
    if not isinstance(node, Znode):
        return None  # it has moved since
    place, *rest = path[len(tree.root) + 1 :].split("/")
    if place == "consumers":
        return Located(path, node, "held", rest[0])
    header, _ = envelope.unwrap(node.data)
    owner = header.get("owner", "")
    if item_names.is_consumer(owner) and is_there(store, tree.active(owner), deadline_s):
        return Located(path, node, "held", owner)  # a plain REST client's claim
    return Located(path, node, place)
