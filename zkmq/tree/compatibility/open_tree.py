"""Open a queue's tree: read its charter, or make the tree. Every client does this first."""

from collections.abc import Sequence

from zkmq.errors import IncompatibleTreeError
from zkmq.tree.compatibility.charter import EDITION, SEGMENT_ITEMS, Charter, Edition
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.paths import FIXED, LOCK, QueueTree
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.store import Code, Create, GetChildren, GetData, Op, SetData, Store, Znode

# The children that the root of a queue may have while it is being made.
KNOWN = frozenset({*FIXED, LOCK})


def open_tree(
    store: Store,
    tree: QueueTree,
    deadline_s: float,
    *,
    segment_items: int = SEGMENT_ITEMS,
    edition: Edition = EDITION,
    make: bool = True,
) -> CharteredStore:
    """Return the store bound to the tree's charter. With `make`, make the tree if there is none.

    Raises:
        OutdatedClientError: this version may not read the tree.
        IncompatibleTreeError: the node at the root is no queue; nothing was changed.
        NoQuorumError: no answer before the deadline; the tree may have been made.
    """
    new = Charter(segment_items=segment_items).raised(edition).encode()
    store.sync(tree.root, deadline_s)
    while True:
        (node,) = store.read_many([GetData(tree.root)], deadline_s).results
        if isinstance(node, Znode) and node.data:
            return CharteredStore(store, tree.root, edition, node)
        if not make:
            found = "no node" if node is None else "a node that is none yet"
            raise IncompatibleTreeError(
                f"{tree.root}: expected a queue, found {found}; choose another path: "
                "the first put or reserve makes a queue"
            )
        if isinstance(node, Znode):
            _adopt(store, tree, node, new, deadline_s)
        else:
            _make(store, tree, new, deadline_s)
        store.sync(tree.root, deadline_s)


def _make(store: Store, tree: QueueTree, new: bytes, deadline_s: float) -> None:
    parts = tree.root.strip("/").split("/")
    for depth in range(1, len(parts)):
        _send(store, [Create("/" + "/".join(parts[:depth]))], deadline_s)
    places = [Create(f"{tree.root}/{name}") for name in FIXED]
    _send(store, [Create(tree.root, new), *places], deadline_s)


def _adopt(store: Store, tree: QueueTree, root: Znode, new: bytes, deadline_s: float) -> None:
    """Complete a tree that the original made; the original leaves the data of its root empty."""
    (children,) = store.read_many([GetChildren(tree.root)], deadline_s).results
    foreign = sorted(set(children) - KNOWN) if isinstance(children, list) else []
    if foreign:
        raise IncompatibleTreeError(
            f"{tree.root}: expected a queue, or an empty node, found one with other children "
            f"({', '.join(foreign[:3])}); choose another path"
        )
    for name in FIXED:
        _send(store, [Create(f"{tree.root}/{name}")], deadline_s)
    _send(store, [SetData(tree.root, new, root.version)], deadline_s)


def _send(store: Store, ops: Sequence[Op], deadline_s: float) -> None:
    """Write until answered. A refusal because another client has done it counts as success."""
    commit_idempotent(
        store, "create", ops, deadline_s, as_good={Code.NODE_EXISTS, Code.BAD_VERSION}
    )
