"""zkmq under test: over ZooKeeper's own protocol, for asyncio, or through a gateway."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from harness.clients.event_loop import EventLoop
from harness.clients.subject import (
    Applied,
    Note,
    Reserved,
    SubjectConfig,
    Taken,
    subjects,
    value_of,
)
from harness.common.harness_errors import told
from harness.history.record import Value
from zkmq import Item, Queue, Returned
from zkmq.tree.compatibility.charter import SEGMENT_ITEMS
from zkmq.tree.raw_copy import decode

# What a call may take beyond its deadline on a busy machine.
GRACE_S = 10.0

if TYPE_CHECKING:
    from zkmq.rest.client import Queue as RestQueue


class NotLookedError(Exception):
    """No items, but not since there were none; nothing took effect."""

    definite = True


class LostInCallError(Exception):
    """A registration was lost while a reserve waited; what it may have claimed nobody was told."""


class _ZkmqSubject:
    """What zkmq's two clients have in common."""

    takes: ClassVar[bool] = False
    most: ClassVar[int | None] = None
    _queue: "Queue | RestQueue | AwaitedQueue"
    _tells_window = False

    def __init__(self, note: Note) -> None:
        self._note = note

    @property
    def session(self) -> str | None:
        """Return the session's id in ZooKeeper's own notation."""
        id = self._queue.session_id
        return None if id is None else f"0x{id:x}"

    @property
    def consumer(self) -> str | None:
        """Return the name of the consumer's registration; None before the first reserve."""
        return self._queue.consumer_id

    @property
    def producer(self) -> str | None:
        """Return the name of the producer's ticket; None before the first put."""
        return self._queue.producer_id

    def put(self, value: Value, priority: int) -> Applied:
        """Put the value as its decimal or plain text."""
        put = self._queue.put(str(value).encode(), priority=priority)
        return Applied(zxid=put.zxid, attempts=put.attempts)

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        """Put the value into a group."""
        put = self._queue.put(str(value).encode(), priority=priority, group=group)
        return Applied(zxid=put.zxid, attempts=put.attempts)

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Reserve; a window is recorded only where the order is relaxed."""
        found = self._queue.reserve(n, timeout_s=timeout_s, sync=sync)
        if not found.items and not found.looked:
            raise NotLookedError("reserve: there was no time to look at the queue")
        return Reserved(
            zxid=found.zxid,
            attempts=max(found.attempts, 1),
            items=tuple(
                Taken(value=value_of(item.data), delivery=item.delivery, handle=item)
                for item in found.items
            ),
            consumer=self._holder(found.items[0]) if found.items else None,
            read_zxid=found.read_zxid,
            window=found.window if self._tells_window and found.items else None,
        )

    def done(self, items: Sequence[Taken]) -> Applied:
        """Acknowledge all items in one transaction."""
        done = self._queue.done(*(item.handle for item in items))
        return Applied(zxid=done.zxid, attempts=done.attempts)

    def release(self, items: Sequence[Taken]) -> Applied:
        """Give all items back in one transaction."""
        done = self._queue.release(*(item.handle for item in items))
        return Applied(zxid=done.zxid, attempts=done.attempts)

    def leftover(self) -> int:
        """Count what all consumers hold, this one included, and what is delayed."""
        stats = self._queue.stats()
        return stats.held + stats.delayed

    def close(self) -> None:
        """Release what is held, and end the session."""
        self._queue.close()

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree into places."""
        found = decode(nodes, root)
        return {
            place: [value_of(data) for _, data in getattr(found, place)]
            for place in ("items", "claims", "partial", "dead", "delayed", "purged")
        }

    @staticmethod
    def _holder(item: Any) -> str:
        return str(item.consumer)

    def _settings(self, config: SubjectConfig) -> dict[str, Any]:
        """Return the settings of a queue over ZooKeeper's own protocol."""
        return {
            "connection": {
                "session_timeout_s": config.session_timeout_s,
                "connect_timeout_s": config.deadline_s,
                "multi_read": True,  # every release the harness starts is 3.6 or later
            },
            "order": config.order,
            "deadline_s": config.deadline_s,
            "lost": self._on_lost,
            "on_returned": self._on_returned,
            "segment_items": config.segment_items or SEGMENT_ITEMS,
        }

    def _on_lost(self, consumer: str, items: Sequence[Item]) -> None:
        values = [value_of(item.data) for item in items]
        self._note("hold-lost", {"consumer": consumer, "values": values})

    def _on_returned(self, returned: Returned) -> None:
        """Note it. No item of ours has a time to run, so only a dead consumer's may come back."""
        self._note(
            "returned",
            {
                "consumer": returned.consumer,
                "values": [value_of(data) for data in returned.data],
                "to": returned.to,
                "zxid": returned.zxid,
                "dead": True,
            },
        )


@subjects.register("zkmq")
class ZkmqSubject(_ZkmqSubject):
    """zkmq over ZooKeeper's own protocol."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(note)
        self._tells_window = config.order == "relaxed"
        self._queue = Queue.connect(config.hosts, config.path, **self._settings(config))


class AwaitedQueue:
    """A `zkmq.aio.Queue` for one thread: its calls are awaited in an event loop on another."""

    def __init__(self, hosts: str, path: str, *, within_s: float, **settings: Any) -> None:
        from zkmq.aio import Queue as AsyncQueue  # noqa: PLC0415 -- only this subject needs it

        self._within_s = within_s
        self._loop = EventLoop()
        try:
            self._queue = self._loop.wait(AsyncQueue.connect(hosts, path, **settings), within_s)
        except BaseException:
            self._loop.close()
            raise

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._queue, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        def call(*given: Any, timeout_s: float = 0.0, **named: Any) -> Any:
            named |= {"timeout_s": timeout_s} if timeout_s else {}
            return self._loop.wait(found(*given, **named), self._within_s + timeout_s)

        return call

    def close(self) -> None:
        """Close the queue, and end the loop and its thread."""
        try:
            self._loop.wait(self._queue.close(), self._within_s)
        finally:
            self._loop.close()


@subjects.register("aio")
class AioSubject(_ZkmqSubject):
    """zkmq's queue for asyncio, `zkmq.aio.Queue`."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        super().__init__(note)
        self._tells_window = config.order == "relaxed"
        self._queue = AwaitedQueue(
            config.hosts,
            config.path,
            within_s=config.deadline_s + GRACE_S,
            **self._settings(config),
        )

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Reserve. A call waits on when the session ends with its claim in doubt, and may fail."""
        was = self.consumer
        try:
            return super().reserve(n, timeout_s, sync=sync)
        except Exception as error:
            if was is None or was == self.consumer or not getattr(error, "definite", False):
                raise
            raise LostInCallError(f"{was} was lost, and then: {told(error)}") from error

    @staticmethod
    def _holder(item: Any) -> str:
        return str(item.item.consumer)


class RestZkmqSubject(_ZkmqSubject):
    """zkmq over HTTP, through a gateway. It does not report what it returned for dead clients."""

    def __init__(self, config: SubjectConfig, note: Note) -> None:
        # Every worker of every transport starts with this module; an HTTP client costs 0.2 s.
        from zkmq.rest.client import Queue as RestQueue  # noqa: PLC0415

        super().__init__(note)
        self._queue = RestQueue.connect(
            config.gateway,
            config.path,
            order=config.order,
            session_s=config.session_timeout_s,
            deadline_s=config.deadline_s,
            lost=self._on_lost,
            http={"trust_env": False},  # a proxy of the machine has no part in a run
        )
