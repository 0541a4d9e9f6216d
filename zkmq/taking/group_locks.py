"""Groups: items of one group are held one at a time, in their order; groups do not wait for others.

The claim of an item of a group also creates the lock of the group, `groups/<hash>`, and whatever
ends the hold deletes it, in the same transaction. So no two items of a group are held at once. An
item that was released with a delay keeps the lock until it is back in its place, so the group
waits for it.

A claim needs more than a free lock: an earlier item of the group may come back between the look
and the claim. It can only come back from a hold, or from a delay. Both have the lock. So a consumer
claims an item only if at one state of the tree, that of the look, it was the first waiting item of
its group and the lock did not exist. From then on, no earlier one can come: a claim of any other
item of the group would itself need to be of the first.
"""

import hashlib
from collections.abc import Iterable, Sequence

from zkmq.tree import envelope
from zkmq.tree.bounded_set import BoundedSet
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Code, Create, Delete, Op

HASH_CHARACTERS = 16


def lock_name(group: str) -> str:
    """The name of a group's lock. Two groups whose hashes are equal take turns, which is rare."""
    return hashlib.sha256(group.encode()).hexdigest()[:HASH_CHARACTERS]


def lock_of(header: envelope.Header) -> str | None:
    """The name of the lock of an item's group; None if it has no group."""
    group = header.get("group")
    return None if group is None else lock_name(group)


class GroupLocks:
    """Builds the operations on locks. Not thread-safe."""

    def __init__(self, tree: QueueTree) -> None:
        self._parent = tree.groups
        # Locks that a foreign client has deleted.
        self._missing = BoundedSet()

    def lock(self, header: envelope.Header, name: str) -> list[Op]:
        """The operation that locks the group of an item that is being claimed; none without one."""
        lock = lock_of(header)
        if lock is None:
            return []
        return [Create(f"{self._parent}/{lock}", name.encode())]

    def unlocks(self, headers: Iterable[envelope.Header]) -> list[Op]:
        """The operations that unlock the groups of items whose hold or delay ends."""
        locks = [lock for header in headers if (lock := lock_of(header)) is not None]
        ops: list[Op] = []
        for path in dict.fromkeys(f"{self._parent}/{lock}" for lock in locks):
            if path in self._missing:
                self._missing.discard(path)  # for one attempt: the next hold has a lock again
            else:
                ops.append(Delete(path))
        return ops

    def learn(self, op: Op, code: Code) -> bool:
        """Learn that a lock is missing, if that is why `op` was refused; else False."""
        if isinstance(op, Delete) and code is Code.NO_NODE and op.path.startswith(self._parent):
            self._missing.add(op.path)
            return True
        return False


class GroupGate:
    """Which waiting items of one look may be claimed, by their groups. Not thread-safe.

    While `is_on` is False, no item has a group, and everything may be claimed. `own` are the locks
    that the claim frees itself, because it also acknowledges their items.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.own: frozenset[str] = frozenset()
        # The group locks at the look.
        self._locked: frozenset[str] = frozenset()
        # The lock of each item that was read, by path; None if it has no group.
        self._known: dict[str, str | None] = {}
        self._place: dict[str, int] = {}
        self._first: dict[str, str] = {}
        # From here on in the order, an item of which nothing is known may be of any group.
        self._hole = 0

    def passed_over(self, paths: Iterable[str], locked: frozenset[str] | None) -> int:
        """How many of these paths, as far as they are known, cannot be claimed in such a look."""
        if locked is None:
            return 0
        seen: set[str] = set(locked)
        count = 0
        for path in paths:
            lock = self._known.get(path)
            if lock is not None:
                count += lock in seen
                seen.add(lock)
        return count

    def begin(self, paths: Sequence[str], locked: frozenset[str] | None) -> None:
        """Begin with the waiting items of a look, in order, and the locks at the same state."""
        self.is_on = locked is not None
        if locked is None:
            self._known.clear()
            return
        self._locked, self._hole = locked, len(paths)
        self._place = {path: place for place, path in enumerate(paths)}
        self._known = {path: each for path, each in self._known.items() if path in self._place}
        self._first = {}
        for path, lock in self._known.items():
            self._note(path, lock)

    def read(self, path: str, data: bytes) -> None:
        """Learn an item's group, which never changes."""
        if self.is_on and path not in self._known:
            header = {} if data.startswith(envelope.FRESH) else envelope.unwrap(data)[0]
            lock = self._known[path] = lock_of(header)
            self._note(path, lock)

    def vanished(self, path: str) -> None:
        """Learn that an item was gone before it could be read. It may have been of any group."""
        if self.is_on and path not in self._known and path in self._place:
            self._hole = min(self._hole, self._place[path])

    def is_open(self, path: str) -> bool:
        """Whether an item may be claimed, as far as is known."""
        if not self.is_on:
            return True
        if path not in self._place:
            return False  # of an earlier look
        lock = self._known.get(path)
        if lock is None:
            return True
        is_first = self._first.get(lock) == path and self._place[path] < self._hole
        return is_first and (lock in self.own or lock not in self._locked)

    def _note(self, path: str, lock: str | None) -> None:
        if lock is None or path not in self._place:
            return
        first = self._first.get(lock)
        if first is None or self._place[path] < self._place[first]:
            self._first[lock] = path
