"""A part of the tree, node by node, with limits: for people who look for what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zkmq.zookeeper.request_sizes import read_nodes
from zkmq.zookeeper.store import GetChildren, Store, Znode


@dataclass(frozen=True, slots=True)
class DumpedNode:
    """One node; `level` is 0 for the first. `unshown` of its children are left out."""

    path: str
    level: int
    node: Znode
    unshown: int


class TreeDump:
    """Walks the tree, `depth` levels down, and shows the first `most_children` of each node.

    Every node is read at its own moment, so the tree may change during the walk. A node that is
    gone by then is left out. `deadline` returns the deadline of a request that begins now.
    """

    def __init__(
        self, store: Store, *, depth: int, most_children: int, deadline: Callable[[], float]
    ) -> None:
        self._store = store
        self._depth = depth
        self._most_children = most_children
        self._deadline = deadline

    def walk(self, path: str) -> Iterator[DumpedNode]:
        """Yield a node and what is below it, each parent before its children, in their order.

        Raises:
            NoQuorumError: no answer before a deadline.
        """
        return self._walk([path], 0)

    def _walk(self, paths: Sequence[str], level: int) -> Iterator[DumpedNode]:
        for path, node in read_nodes(self._store, paths, self._deadline()):
            names: list[str] = []
            if node.children and level < self._depth and self._most_children:
                (listed,) = self._store.read_many([GetChildren(path)], self._deadline()).results
                names = sorted(listed) if isinstance(listed, list) else []
            shown = names[: self._most_children]
            unshown = len(names) - len(shown) if names else node.children
            yield DumpedNode(path, level, node, unshown)
            yield from self._walk([f"{path.rstrip('/')}/{name}" for name in shown], level + 1)
