"""kazoo's own queues as subjects: what the field uses, under the same faults and checkers.

Neither puts with a ticket, so a put whose reply was lost is unknown, and each attempt is an
operation of its own. Nothing is retried here; what kazoo retries inside is its own affair.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from kazoo.client import KazooClient
from kazoo.recipe.queue import LockingQueue, Queue

from harness.clients.subject import (
    Applied,
    Note,
    Reserved,
    SubjectConfig,
    Taken,
    silent_logger,
    value_of,
)
from harness.history.record import Value

LOOK_S = 0.5  # how long LockingQueue may look for an item before it is said to have found none


class NotHeldByKazooError(Exception):
    """LockingQueue says that it does not hold the item any more; nothing was changed."""

    definite = True


class _KazooSubject:
    """The session that both share."""

    consumer: str | None = None
    producer: str | None = None

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        self._path = config.path
        self._client = KazooClient(
            hosts=config.hosts, timeout=config.session_timeout_s, logger=silent_logger()
        )
        self._client.start(timeout=config.deadline_s)

    @property
    def session(self) -> str | None:
        """Return the session's id in ZooKeeper's own notation."""
        id = self._client.client_id
        return None if id is None else f"0x{id[0]:x}"

    def close(self) -> None:
        """End the session."""
        self._client.stop()
        self._client.close()


class KazooQueueSubject(_KazooSubject):
    """kazoo.recipe.queue.Queue: taking an item removes it before it is processed."""

    takes: ClassVar[bool] = True
    most: ClassVar[int | None] = 1

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._queue = Queue(self._client, config.path)

    def put(self, value: Value, priority: int) -> Applied:
        """Put."""
        self._queue.put(str(value).encode(), priority)
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Get one item, which is then gone from the queue."""
        if sync:
            self._client.sync(self._path)
        data = self._queue.get()
        items = () if data is None else (Taken(value=value_of(data)),)
        return Reserved(items=items)

    def done(self, items: Sequence[Taken]) -> Applied:
        """Do nothing: it was removed when it was taken."""
        return Applied()

    def release(self, items: Sequence[Taken]) -> Applied:
        """Refuse: this queue has no way to give an item back."""
        raise NotHeldByKazooError("kazoo Queue cannot give an item back")

    def leftover(self) -> int:
        """Return 0: nothing is ever in anybody's hand."""
        return 0

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree into places."""
        return {"items": _entries(nodes, root)}


class KazooLockingQueueSubject(_KazooSubject):
    """kazoo.recipe.queue.LockingQueue: an item is locked by an ephemeral node until consumed."""

    takes: ClassVar[bool] = False
    most: ClassVar[int | None] = 1

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._queue = LockingQueue(self._client, config.path)

    def put(self, value: Value, priority: int) -> Applied:
        """Put."""
        self._queue.put(str(value).encode(), priority)
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Lock one item."""
        if sync:
            self._client.sync(self._path)
        data = self._queue.get(timeout=max(timeout_s, LOOK_S))
        items = () if data is None else (Taken(value=value_of(data)),)
        return Reserved(items=items)

    def done(self, items: Sequence[Taken]) -> Applied:
        """Consume the locked item."""
        if not self._queue.consume():
            raise NotHeldByKazooError("LockingQueue: the lock is not held")
        return Applied()

    def release(self, items: Sequence[Taken]) -> Applied:
        """Unlock the item."""
        if not self._queue.release():
            raise NotHeldByKazooError("LockingQueue: the lock is not held")
        return Applied()

    def leftover(self) -> int:
        """Count locks, this client's included."""
        return len(self._client.get_children(f"{self._path}/taken"))

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree into places; a locked item stays where it is."""
        return {"items": _entries(nodes, f"{root}/entries")}


def _entries(nodes: Mapping[str, bytes], parent: str) -> list[Value]:
    prefix = f"{parent}/entry-"
    return [value_of(nodes[path]) for path in sorted(nodes) if path.startswith(prefix)]
