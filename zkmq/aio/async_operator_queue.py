"""The part of an asyncio queue that operators use: each call on a thread of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.group_doubt import GroupDoubt, own
from zkmq.aio.threads import LoopThreads
from zkmq.errors import ClosedError, ZkmqError
from zkmq.operating.operator_queue import OperatorQueue
from zkmq.tree.compatibility.charter import Charter

P = ParamSpec("P")
T = TypeVar("T")


def _on_thread(
    method: Callable[Concatenate[BridgedQueue, P], T],
) -> Callable[Concatenate["AsyncOperatorQueue", P], Coroutine[Any, Any, T]]:
    """Make of a method of the synchronous queue, which blocks, one that is awaited."""

    @wraps(method)
    async def call(self: "AsyncOperatorQueue", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._call(partial(getattr(self._queue, method.__name__), *args, **kwargs))

    return call


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

    kick = _on_thread(OperatorQueue.kick)
    redrive = _on_thread(OperatorQueue.redrive)
    inspect = _on_thread(OperatorQueue.inspect)
    delete = _on_thread(OperatorQueue.delete)
    peek = _on_thread(OperatorQueue.peek)
    stats = _on_thread(OperatorQueue.stats)
    overview = _on_thread(OperatorQueue.overview)
    purge = _on_thread(OperatorQueue.purge)
    pause = _on_thread(OperatorQueue.pause)
    resume = _on_thread(OperatorQueue.resume)
    upgrade = _on_thread(OperatorQueue.upgrade)

    async def _call(self, function: Callable[[], T]) -> T:
        """Run a blocking call of the synchronous queue on a thread."""
        self._require_open()
        answer = self._threads.call("zkmq-aio-call", function)
        try:
            return await asyncio.shield(answer)
        except ZkmqError as error:
            raise own(error, GroupDoubt.of(error, self._threads)) from error

    def _require_open(self) -> None:
        self._threads.require_here()
        if self._is_closed:
            raise ClosedError("the queue was closed; connect a new one")
