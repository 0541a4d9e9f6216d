"""The clients that use a tree, and their versions of zkmq, as they announce them in the tree.

A consumer announces its version in the node of its registration, a producer after the label of
each of its writes. Clients that only look, or act as operators, announce nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zkmq.tree.compatibility.charter import FIRST_VERSION
from zkmq.tree.json_object import decode_object
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.request_sizes import read_each
from zkmq.zookeeper.store import Store, Znode

VERSION_KEY = "zkmq"
MARK = f" {VERSION_KEY}="
# Such a node may be a client's of any release, so it counts as one of the oldest.
UNREADABLE = "its node may not be read"


@dataclass(frozen=True, slots=True)
class Registered:
    """One consumer or producer as it announced itself in the tree."""

    id: str
    version: int
    about: str

    def __str__(self) -> str:
        """Describe the client for people."""
        return f"{self.id} (version {self.version}, {self.about})"


def about(version: int, **others: Any) -> dict[str, Any]:
    """The announcement of a client: its version, and `others` that it wants to say."""
    return {VERSION_KEY: version} | others


def mark(version: int) -> str:
    """The announcement that a producer writes after the label of each write."""
    return f"{MARK}{version}"


def clients(store: Store, tree: QueueTree, deadline_s: float) -> list[Registered]:
    """The consumers whose session lives, and the producers whose ticket exists."""
    consumers = sorted(store.list(tree.consumers, deadline_s) or [])
    said = _read(store, {each: tree.consumer(each) for each in consumers}, deadline_s)
    alive = _read(store, {each: tree.active(each) for each in consumers}, deadline_s)
    found = [_consumer(id, said[id]) for id in consumers if id in said and id in alive]
    producers = sorted(store.list(tree.producers, deadline_s) or [])
    paths = {each: f"{tree.producers}/{each}" for each in producers}
    tickets = _read(store, paths, deadline_s)
    return found + [_producer(id, node) for id, node in tickets.items()]


def _read(store: Store, paths: Mapping[str, str], deadline_s: float) -> dict[str, Znode | None]:
    """Read the nodes that exist, by the ids of their clients; None if one may not be read."""
    denied: set[str] = set()
    nodes = list(read_each(store, list(paths.values()), deadline_s, denied=denied.add))
    return {
        id: node
        for (id, path), node in zip(paths.items(), nodes, strict=True)
        if node is not None or path in denied
    }


def _consumer(id: str, node: Znode | None) -> Registered:
    if node is None:
        return Registered(id, FIRST_VERSION, UNREADABLE)
    said = decode_object(node.data) or {}
    where = ", ".join(f"{key} {said[key]}" for key in ("host", "pid", "label") if said.get(key))
    return Registered(id, _version(said.get(VERSION_KEY)), where or "says nothing of itself")


def _producer(id: str, node: Znode | None) -> Registered:
    """Read a ticket. Before the first write it is like a registration, then label and mark."""
    if node is None:
        return Registered(id, FIRST_VERSION, UNREADABLE)
    said = decode_object(node.data) or {}
    text = node.data.decode(errors="replace")
    version = said.get(VERSION_KEY) or text.rpartition(MARK)[2]
    last = datetime.fromtimestamp(node.mtime_ms / 1000, UTC)
    return Registered(id, _version(version), f"last write {last:%Y-%m-%d %H:%M:%S} UTC")


def _version(value: Any) -> int:
    """The announced version; the first one for a client that announces none, or nonsense."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return FIRST_VERSION
