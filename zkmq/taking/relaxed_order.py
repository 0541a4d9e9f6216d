"""Which of the first items each of several consumers goes for, so that they seldom collide.

In relaxed order every item of the window belongs to one of the live consumers, by a hash of its
name. A consumer takes its own first, in order; when it sees none of its own, any of the window,
so that a slow or dead consumer's share is not left behind.
"""

import zlib
from collections.abc import Sequence

from zkmq.tree import item_names
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import GetData, Store

READ_AGAIN_S = 1.0
WINDOW_PER_CONSUMER = 16
# A dead consumer has no share, though its registration stays until a janitor removes it.
MOST_LOOKED_AT = 32


class RelaxedOrder:
    """One consumer's view of who else is there. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._store = store
        self._tree = tree
        self._known_s = float("-inf")
        self._consumers: list[str] = []

    def window(self, n: int, me: str, deadline_s: float) -> int:
        """How many of the first items to choose from; 1 consumer, or none, needs no choice."""
        if self._store.now() - self._known_s > READ_AGAIN_S or me not in self._consumers:
            listed = self._store.list(self._tree.consumers, deadline_s) or []
            self._consumers = self._live(sorted(filter(item_names.is_consumer, listed)), deadline_s)
            self._known_s = self._store.now()
        others = len(self._consumers)
        return n if others <= 1 else WINDOW_PER_CONSUMER * n * others

    def _live(self, consumers: list[str], deadline_s: float) -> list[str]:
        """Those whose session lives; too many are not looked at one by one."""
        if len(consumers) > MOST_LOOKED_AT:
            return consumers
        reads = [GetData(self._tree.active(consumer)) for consumer in consumers]
        nodes = self._store.read_many(reads, deadline_s).results
        return [each for each, node in zip(consumers, nodes, strict=True) if node is not None]

    def own(self, items: Sequence[str], me: str) -> list[str]:
        """Those that are this consumer's."""
        count = len(self._consumers)
        if count <= 1 or me not in self._consumers:
            return list(items)
        rank = self._consumers.index(me)
        return [name for name in items if zlib.crc32(name.encode()) % count == rank]
