"""kazoo's own queues as subjects: what the field uses, under the same faults and checkers.

They have no tickets, so a put whose reply was lost has an unknown outcome. Nothing is retried
here, only what kazoo retries by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.recipe.queue import LockingQueue, Queue

from harness.clients.subject import (
    Applied,
    NoGroupsError,
    Note,
    Reserved,
    SubjectConfig,
    Taken,
    silent_logger,
    subjects,
    value_of,
)
from harness.history.record import Value

LOOK_S = 0.5  # how long LockingQueue may look before its answer counts as empty


class NotHeldByKazooError(Exception):
    """The client does not hold the item any more; nothing was changed."""

    definite = True


class NotConnectedByKazooError(Exception):
    """No server gave a session in time, so nothing was asked of the queue."""

    definite = True


class NotSyncedByKazooError(Exception):
    """The server did not catch up, so the queue was not asked for an item."""

    definite = True


class _KazooSubject:
    """A session, and one of kazoo's queues, of which a reserve gets one item at most."""

    takes: ClassVar[bool]
    most: ClassVar[int | None] = 1
    consumer: str | None = None
    producer: str | None = None
    _queue: Queue | LockingQueue

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        self._path = config.path
        self._client = KazooClient(
            hosts=config.hosts, timeout=config.session_timeout_s, logger=silent_logger()
        )
        try:
            self._client.start(timeout=config.deadline_s)
        except KazooTimeoutError as error:
            self._client.close()
            told = f"{config.hosts}: expected a session within {config.deadline_s:g} s, got none"
            raise NotConnectedByKazooError(told) from error

    @property
    def session(self) -> str | None:
        """Return the session's id in ZooKeeper's own notation."""
        id = self._client.client_id
        return None if id is None else f"0x{id[0]:x}"

    def put(self, value: Value, priority: int) -> Applied:
        """Put the value as its decimal or plain text."""
        self._queue.put(str(value).encode(), priority)
        return Applied()

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Get one item, whatever `n` is."""
        if sync:
            self._sync()
        data = self._get(timeout_s)
        return Reserved(items=() if data is None else (Taken(value=value_of(data)),))

    def _sync(self) -> None:
        """Let the server catch up. Without an answer to that, nothing was taken for certain."""
        try:
            self._client.sync(self._path)
        except KazooException as error:
            told = f"sync before a get: {error!r}; nothing was taken"
            raise NotSyncedByKazooError(told) from error

    def _get(self, timeout_s: float) -> bytes | None:
        """Return an item's payload; None if there was none."""
        raise NotImplementedError

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        """Refuse: kazoo's queues have no groups."""
        raise NoGroupsError(f"kazoo's {type(self).__name__} has no groups")

    def close(self) -> None:
        """End the session, and the threads of its client."""
        self._client.stop()
        self._client.close()


@subjects.register("kazoo-queue")
class KazooQueueSubject(_KazooSubject):
    """kazoo.recipe.queue.Queue: taking an item removes it before it is processed."""

    takes: ClassVar[bool] = True

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._queue = Queue(self._client, config.path)

    def _get(self, timeout_s: float) -> Any:
        return self._queue.get()

    def done(self, items: Sequence[Taken]) -> Applied:
        """Do nothing: it was removed when it was taken."""
        return Applied()

    def release(self, items: Sequence[Taken]) -> Applied:
        """Refuse: this queue has no way to give an item back."""
        raise NotHeldByKazooError("kazoo Queue cannot give an item back")

    def leftover(self) -> int:
        """Return 0: a consumer of this queue never holds an item."""
        return 0

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree into places."""
        return {"items": _entries(nodes, root)}


@subjects.register("kazoo-locking-queue")
class KazooLockingQueueSubject(_KazooSubject):
    """kazoo.recipe.queue.LockingQueue: an item is locked by an ephemeral node until consumed."""

    takes: ClassVar[bool] = False

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(config, note)
        self._queue = LockingQueue(self._client, config.path)

    def _get(self, timeout_s: float) -> Any:
        return self._queue.get(timeout=max(timeout_s, LOOK_S))

    def done(self, items: Sequence[Taken]) -> Applied:
        """Consume the item whose lock this client holds."""
        return self._ended(self._queue.consume())

    def release(self, items: Sequence[Taken]) -> Applied:
        """Unlock the item, so that another client may get it."""
        return self._ended(self._queue.release())

    def _ended(self, held: bool) -> Applied:  # noqa: FBT001 -- kazoo's answer, passed on
        if not held:
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
