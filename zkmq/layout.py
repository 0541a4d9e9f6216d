"""The fixed part of a queue's tree: made once, and read by every client before it does anything.

The root says which versions of zkmq may read and write the tree, so that old and new clients can
share it while zkmq itself is being upgraded.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from zkmq.errors import IncompatibleTreeError
from zkmq.once import once
from zkmq.store import Code, Create, GetData, Node, Op, SetData, Store
from zkmq.tree import FIXED, Tree

# Raise when clients that know less could not read, or not safely write, what this one writes.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Root:
    """What the root of a queue's tree says."""

    min_reader: int = VERSION
    min_writer: int = VERSION
    features: tuple[str, ...] = ()
    segment_items: int = 1000

    def encode(self) -> bytes:
        """As the node holds it."""
        return json.dumps({"zkmq": VERSION} | asdict(self)).encode()


def open_tree(store: Store, tree: Tree, deadline_s: float, segment_items: int) -> Root:
    """Return what the root says, making the tree if there is none.

    Raises:
        IncompatibleTreeError: this version may not work with the tree, or it is none of a queue.
        NoQuorumError: no answer before the deadline; the tree may have been made.
    """
    new = Root(segment_items=segment_items).encode()
    store.sync(tree.root, deadline_s)
    while True:
        (node,) = store.read_many([GetData(tree.root)], deadline_s).results
        if isinstance(node, Node) and node.data:
            return _checked(tree, node.data)
        if isinstance(node, Node):
            _adopt(store, tree, node, new, deadline_s)
        else:
            _make(store, tree, new, deadline_s)
        store.sync(tree.root, deadline_s)


def _checked(tree: Tree, data: bytes) -> Root:
    try:
        root = json.loads(data)
    except ValueError:
        root = None
    if not isinstance(root, dict) or "zkmq" not in root:
        raise IncompatibleTreeError(
            f"{tree.root}: expected the root of a queue, got a node with other data; "
            "choose another path"
        )
    found = Root(
        int(root.get("min_reader", 1)),
        int(root.get("min_writer", 1)),
        tuple(root.get("features", ())),
        int(root.get("segment_items", 1000)),
    )
    least = max(found.min_reader, found.min_writer)
    if least > VERSION:
        raise IncompatibleTreeError(
            f"{tree.root}: expected a tree for version {VERSION} of the protocol, got one that "
            f"needs {least}; upgrade this client"
        )
    return found


def _make(store: Store, tree: Tree, new: bytes, deadline_s: float) -> None:
    parts = tree.root.strip("/").split("/")
    for depth in range(1, len(parts)):
        _send(store, [Create("/" + "/".join(parts[:depth]))], deadline_s)
    places = [Create(f"{tree.root}/{name}") for name in FIXED]
    _send(store, [Create(tree.root, new), *places], deadline_s)


def _adopt(store: Store, tree: Tree, root: Node, new: bytes, deadline_s: float) -> None:
    """Complete a tree that the original made: it leaves its root empty."""
    for name in FIXED:
        _send(store, [Create(f"{tree.root}/{name}")], deadline_s)
    _send(store, [SetData(tree.root, new, root.version)], deadline_s)


def _send(store: Store, ops: Sequence[Op], deadline_s: float) -> None:
    """Someone else having done it, at the same time or before, is as good."""
    once(store, "create", ops, deadline_s, as_good={Code.NODE_EXISTS, Code.BAD_VERSION})
