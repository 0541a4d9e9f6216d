"""Waiting for an item without asking again and again."""

from zkmq.headcache import HeadCache
from zkmq.store import Store
from zkmq.tree import Tree

# A watch can be lost with a server; look again at least this often.
LOOK_AGAIN_S = 3.0


class Waiter:
    """Sleeps until something may have changed at the head of the queue."""

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store = store
        self._tree = tree
        self._signal = store.signal()
        self._watched: set[str] = set()

    def wait(self, cache: HeadCache, until_s: float) -> None:
        """Return when an item may have come, or at `until_s`.

        Watches the list of priorities, each priority, and every segment that was seen empty.
        Those stay armed from one wait to the next until they fire.
        """
        deadline_s = min(until_s, self._store.now() + LOOK_AGAIN_S)
        fresh = False
        for path, known in cache.seen():
            if path not in self._watched:
                fresh |= self._watch(path, known, until_s)
        if not fresh:
            self._signal.wait(deadline_s)

    def _watch(self, path: str, known: frozenset[str], deadline_s: float) -> bool:
        """Arm one watch; True if there is already something new."""

        def fired() -> None:
            self._watched.discard(path)
            self._signal.set()

        self._watched.add(path)
        children = self._store.list(path, deadline_s, fired)
        if children is None:
            self._watched.discard(path)
            return True
        return not known.issuperset(children)
