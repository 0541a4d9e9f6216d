"""A part of the tree, node by node, with limits: for people who look for what is wrong."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zkmq.zookeeper.request_sizes import read_nodes
from zkmq.zookeeper.store import GetChildren, Store, Znode, unread


@dataclass(frozen=True, slots=True)
class DumpedNode:
    """One node; `level` is 0 for the first. `unshown` of its children are left out.

    If its ACL refused the read, it is `denied`, and has neither data nor children that are shown.
    Servers from 3.8.4 and 3.9.2 on tell nothing else of it either: then `node` is None.
    """

    path: str
    level: int
    node: Znode | None
    unshown: int
    denied: bool = False


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
        """Yield a node and what is below it, each parent before its children, in their order."""
        return self._walk([path], 0)

    def _walk(self, paths: Sequence[str], level: int) -> Iterator[DumpedNode]:
        for path, node, denied in self._read(paths):
            names: list[str] = []
            below = node.children if node is not None else 0
            if below and level < self._depth and self._most_children and not denied:
                reads = [GetChildren(path)]
                (listed,) = self._store.read_many(reads, self._deadline(), denied=unread).results
                names = sorted(listed) if isinstance(listed, list) else []
            shown = names[: self._most_children]
            unshown = len(names) - len(shown) if names else below
            yield DumpedNode(path, level, node, unshown, denied)
            yield from self._walk([f"{path.rstrip('/')}/{name}" for name in shown], level + 1)

    def _read(self, paths: Sequence[str]) -> Iterator[tuple[str, Znode | None, bool]]:
        """Read the nodes that exist, in order, as (path, node, whether it may not be read)."""
        place = {path: index for index, path in enumerate(paths)}
        denied: deque[str] = deque()
        for path, node in read_nodes(self._store, paths, self._deadline(), denied=denied.append):
            while denied and place[denied[0]] < place[path]:
                yield from self._stat(denied.popleft())
            yield path, node, False
        for path in denied:
            yield from self._stat(path)

    def _stat(self, path: str) -> Iterator[tuple[str, Znode | None, bool]]:
        denied: list[str] = []
        node = self._store.exists(path, self._deadline(), denied=denied.append)
        if node is not None or denied:
            yield path, node, True
