"""The part of an asyncio queue that operators use: each call on a thread of its own."""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Literal, TypeVar

from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.group_doubt import GroupDoubt, own
from zkmq.aio.threads import LoopThreads
from zkmq.errors import ClosedError, OutcomeUnknownError, ZkmqError
from zkmq.operating.changes import Changed
from zkmq.operating.inspection import Peeked, QueueStats
from zkmq.operating.overview import Overview
from zkmq.tree.compatibility.charter import Charter

T = TypeVar("T")


class AsyncOperatorQueue:
    """Look at items and counts, move and delete items, pause.

    Each method does what the method of `zkmq.Queue` with its name does, and raises the same errors;
    an unknown outcome is an AsyncOutcomeUnknownError. If the task is cancelled, the call goes on.
    """

    def __init__(self, queue: BridgedQueue, threads: LoopThreads) -> None:
        self._queue = queue
        self._threads = threads
        self._is_closed = False

    @property
    def deadline_s(self) -> float:
        """How long a call may take; to set it holds for the calls that begin afterwards."""
        return self._queue.deadline_s

    @deadline_s.setter
    def deadline_s(self, seconds: float) -> None:
        self._queue.deadline_s = seconds

    @property
    def path(self) -> str:
        """The queue's root."""
        return self._queue.path

    @property
    def session_id(self) -> int | None:
        """The ZooKeeper session; None while there is none."""
        return self._queue.session_id

    @property
    def charter(self) -> Charter:
        """The tree's charter as this client last read it."""
        return self._queue.charter

    async def kick(self, n: int, *, place: Literal["dead", "partial"] = "dead") -> Changed:
        """Bring up to `n` items that were put aside back to their places in the queue."""
        return await self._call(partial(self._queue.kick, n, place=place))

    async def redrive(
        self,
        to: str,
        n: int = 1,
        *,
        ids: Collection[str] | None = None,
        place: Literal["dead", "partial"] = "dead",
    ) -> Changed:
        """Move items that were put aside to the back of another queue on the same servers."""
        return await self._call(partial(self._queue.redrive, to, n, ids=ids, place=place))

    async def inspect(self, id: str) -> Peeked | None:
        """Look at one item, wherever it is; None if it is done, purged, or was never put."""
        return await self._call(partial(self._queue.inspect, id))

    async def delete(self, id: str) -> Changed:
        """Delete one item for ever that waits, is delayed, or was put aside."""
        return await self._call(partial(self._queue.delete, id))

    async def peek(
        self, n: int = 1, *, place: Literal["items", "dead", "partial", "delayed"] = "items"
    ) -> list[Peeked]:
        """Look at the first `n` items without taking them; of delayed ones, those due first."""
        return await self._call(partial(self._queue.peek, n, place=place))

    async def stats(self) -> QueueStats:
        """Count the items by place, the consumers and the producers."""
        return await self._call(self._queue.stats)

    async def overview(self) -> Overview:
        """Look at everything at once: the counts, and each consumer with what it holds."""
        return await self._call(self._queue.overview)

    async def purge(self, *priorities: int) -> Changed:
        """Purge all waiting items of these priorities, or of all."""
        return await self._call(partial(self._queue.purge, *priorities))

    async def pause(self, reason: str = "", *, force: bool = False) -> Charter:
        """Let no consumer take items, of any client, until `resume`."""
        return await self._call(partial(self._queue.pause, reason, force=force))

    async def resume(self) -> Charter:
        """Let consumers take items again; those that wait notice within three seconds."""
        return await self._call(self._queue.resume)

    async def upgrade(self, *, force: bool = False) -> Charter:
        """Raise the tree to the version of this client, so that its features can be used."""
        return await self._call(partial(self._queue.upgrade, force=force))

    async def _call(self, function: Callable[[], T]) -> T:
        """Run a blocking call of the synchronous queue on a thread."""
        self._require_open()
        answer = self._threads.call("zkmq-aio-call", function)
        try:
            return await asyncio.shield(answer)
        except ZkmqError as error:
            doubt = None
            if isinstance(error, OutcomeUnknownError):
                doubt = GroupDoubt(error, self._threads)
            raise own(error, doubt) from error

    def _require_open(self) -> None:
        self._threads.require_here()
        if self._is_closed:
            raise ClosedError("the queue was closed; connect a new one")
