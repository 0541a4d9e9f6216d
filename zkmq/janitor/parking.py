"""Park idle priorities, so that no look at the queue has to read them.

The janitor moves the guard of a priority that was empty for an hour to `parked`. The first client
that puts or returns an item to the priority moves the guard back. It continues after the last
segment, since no item's name is used twice. Clients of older releases would start at the first
segment again, so the janitor parks priorities only if the tree's charter lists it.
"""

from collections.abc import Callable, Sequence

from zkmq.tree import item_names
from zkmq.tree.compatibility.charter import PARKED
from zkmq.tree.guards import Guard, read_guards
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.request_sizes import cut
from zkmq.zookeeper.store import Create, Delete, GetData, Store, Znode, unread

# A priority that was empty at every look for this long is parked.
IDLE_S = 3600.0
PRIORITIES_AT_ONCE = 100


class Parking:
    """Finds and parks idle priorities for one janitor. Not thread-safe; two at once do no harm.

    `lists` says whether the charter lists a feature.
    """

    def __init__(self, store: Store, tree: QueueTree, lists: Callable[[str], bool]) -> None:
        self._store = store
        self._tree = tree
        self._lists = lists
        # The guard of each empty priority, and since when it is known to be empty.
        self._empty: dict[int, tuple[Guard, float]] = {}

    def park_idle(self, _: float, until_s: float, deadline_s: float) -> bool:
        """Park the priorities that were idle long enough; return whether there is more to do."""
        if not self._lists(PARKED):
            return False
        priorities = item_names.priorities(self._store.list(self._tree.items, deadline_s) or [])
        empty: dict[int, tuple[Guard, float]] = {}
        now_s = self._store.now()
        for part in cut(priorities, PRIORITIES_AT_ONCE):
            for priority, guard in self._guards(part, deadline_s).items():
                known, since_s = self._empty.get(priority, (None, now_s))
                empty[priority] = (guard, since_s if known == guard else now_s)
        self._empty = empty
        for priority, (guard, since_s) in list(empty.items()):
            if now_s - since_s >= IDLE_S:
                self._park(priority, guard, deadline_s)
                if self._store.now() >= until_s:
                    return True
        return False

    def _guards(self, priorities: Sequence[int], deadline_s: float) -> dict[int, Guard]:
        """The guards of the priorities that have only an empty tail."""
        # The sweeper, which reads the same nodes, marks those that may not be read.
        found = read_guards(self._store, self._tree, priorities, deadline_s, denied=unread)
        guards = {
            priority: guard
            for priority, (guard, children) in found.items()
            if guard is not None and children == [guard.tail_name]
        }
        tails = [GetData(self._tree.segment(p, guard.tail_name)) for p, guard in guards.items()]
        nodes = self._store.read_many(tails, deadline_s, denied=unread).results
        return {
            priority: guards[priority]
            for priority, tail in zip(guards, nodes, strict=True)
            if isinstance(tail, Znode) and tail.children == 0
        }

    def _park(self, priority: int, guard: Guard, deadline_s: float) -> None:
        """Park one priority, unless another client uses it at this moment."""
        path = self._tree.priority(priority)
        self._store.commit(
            [
                Delete(f"{path}/{guard.tail_name}"),
                Delete(path, guard.version),
                Create(self._tree.parked(priority), guard.encode()),
            ],
            deadline_s,
        )
        self._empty.pop(priority, None)
