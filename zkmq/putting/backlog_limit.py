"""A soft limit on how many items wait in a queue (`max_items`)."""

from zkmq.errors import QueueFullError
from zkmq.tree import item_names
from zkmq.tree.guards import read_guards
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import GetData, Read, Store, Znode, unread

READ_AGAIN_S = 1.0


class BacklogLimit:
    """Counts the backlog, to a segment, at most once a second. Not thread-safe.

    The limit is soft, because this client sees the puts of others up to a second late. ZooKeeper's
    own quotas cannot be used: they do not count the operations of one multi.
    """

    def __init__(
        self, store: Store, tree: QueueTree, *, max_items: int, segment_items: int
    ) -> None:
        self._store = store
        self._tree = tree
        self._max_items = max_items
        self._segment_items = segment_items
        self._known_s = float("-inf")
        self._backlog = 0

    def require_room(self, count: int, deadline_s: float) -> None:
        """Make sure that there is room for `count` more items.

        Raises:
            QueueFullError: the backlog would exceed `max_items`.
        """
        now_s = self._store.now()
        if now_s - self._known_s > READ_AGAIN_S:
            self._backlog = backlog(self._store, self._tree, self._segment_items, deadline_s)
            self._known_s = now_s
        if self._backlog + count > self._max_items:
            raise QueueFullError(
                f"put: expected room for {count} items, got about {self._backlog} waiting "
                f"of at most {self._max_items}; try again when consumers have caught up"
            )
        self._backlog += count


def backlog(store: Store, tree: QueueTree, segment_items: int, deadline_s: float) -> int:
    """Estimate how many items wait. Full segments are not counted one by one. 3 reads.

    What may not be read is not counted: one such priority stops no put into another.
    """
    priorities = item_names.priorities(store.list(tree.items, deadline_s) or [])
    guards = read_guards(store, tree, priorities, deadline_s, denied=unread)
    tails: list[Read] = []
    total = 0
    for priority, (guard, children) in guards.items():
        if guard is None:
            continue
        total += segment_items * max(0, len(guard.waiting(children)) - 1)
        tails.append(GetData(tree.segment(priority, guard.tail_name)))
    for tail in store.read_many(tails, deadline_s, denied=unread).results:
        total += tail.children if isinstance(tail, Znode) else 0
    return total
