"""kazoo's queues behind one small adapter, and the calls that are struck at."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.recipe.queue import LockingQueue, Queue

NEW = b"new"
LOOK_S = 0.5
TRIES = 100
RETRY_S = 0.02


class Adapter(Protocol):
    """One client of a peer's queue."""

    def put(self, payload: bytes) -> Any:
        """Put."""

    def get(self) -> bytes | None:
        """Take, or lock, the first item; None if there seems to be none."""

    def done(self) -> bool:
        """Acknowledge it, if that is another step; whether it says so."""

    def ready(self) -> None:
        """Make the tree, so that a crash point has only requests of the operation."""


class KazooQueue:
    """kazoo.recipe.queue.Queue: taking removes."""

    def __init__(self, client: KazooClient, path: str) -> None:
        self._queue = Queue(client, path)

    def put(self, payload: bytes) -> None:
        """Put."""
        self._queue.put(payload)

    def get(self) -> bytes | None:
        """Take the first item, which is gone then."""
        payload: bytes | None = self._queue.get()
        return payload

    def done(self) -> bool:
        """Do nothing: it is gone already."""
        return True

    def ready(self) -> None:
        """Make the tree."""
        self._queue._ensure_paths()


class KazooLockingQueue:
    """kazoo.recipe.queue.LockingQueue: taking locks by an ephemeral node."""

    look_s = LOOK_S

    def __init__(self, client: KazooClient, path: str) -> None:
        self._queue = LockingQueue(client, path)
        self._client = client

    def put(self, payload: bytes) -> None:
        """Put."""
        self._queue.put(payload)

    def get(self) -> bytes | None:
        """Lock the first item that no other client has locked."""
        payload: bytes | None = self._queue.get(timeout=self.look_s)
        return payload

    def done(self) -> bool:
        """Remove the item that is locked."""
        return bool(self._queue.consume())

    def ready(self) -> None:
        """Make the tree."""
        self._queue._ensure_paths()

    def available(self) -> bool:
        """Whether there is anything to lock: to look for it costs the whole time-out."""
        entries = set(self._client.get_children(self._queue._entries_path))
        return bool(entries - set(self._client.get_children(self._queue._lock_path)))


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of a peer."""

    peer: str
    name: str
    adapter: Callable[[KazooClient, str], Adapter]
    ready: Callable[[Adapter], Any]
    call: Callable[[Adapter], Any]


def _ready(adapter: Adapter) -> None:
    adapter.ready()


def _put(adapter: Adapter) -> None:
    adapter.put(NEW)


def _put_again(adapter: Adapter) -> None:
    """What a caller does who must not lose the item: put until it is told that it is put."""
    for _ in range(TRIES):
        with suppress(KazooException):
            adapter.put(NEW)
            return
        time.sleep(RETRY_S)
    raise RuntimeError("put failed again and again")


def _get(adapter: Adapter) -> bytes | None:
    return adapter.get()


CALLS = [
    Call("Queue", "put", KazooQueue, _ready, _put),
    Call("Queue", "put until ok", KazooQueue, _ready, _put_again),
    Call("Queue", "get", KazooQueue, _ready, _get),
    Call("LockingQueue", "put", KazooLockingQueue, _ready, _put),
    Call("LockingQueue", "put until ok", KazooLockingQueue, _ready, _put_again),
    Call("LockingQueue", "get", KazooLockingQueue, _ready, _get),
    Call(
        "LockingQueue",
        "consume",
        KazooLockingQueue,
        _get,
        lambda queue: queue.done(),
    ),
]
