"""Doing what a client asks for once, however often it asks: answers by idempotency key."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from zkmq.rest.http.http_errors import HttpError

T = TypeVar("T")


class IdempotentAnswers(Generic[T]):
    """The last `most` answers. A failure is not kept, so that the client may try again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: OrderedDict[str, tuple[int, asyncio.Task[T]]] = OrderedDict()

    async def do(self, key: str | None, request: int, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work, or give the answer it had for this key, also while it is being done.

        The work goes on if the client that asked for it goes away. `request` is the hash of what
        is asked for.

        Raises:
            HttpError: 422, the key was used for something else.
        """
        if key is None:
            return await work()
        known = self._tasks.get(key)
        if known is None:
            known = request, asyncio.ensure_future(_run(work))
            self._remember(key, known)
        elif known[0] != request:
            raise HttpError(422, "this Idempotency-Key was used for another request")
        return await asyncio.shield(known[1])

    def _remember(self, key: str, known: tuple[int, asyncio.Task[T]]) -> None:
        self._tasks[key] = known
        known[1].add_done_callback(lambda task: self._settle(key, task))
        while len(self._tasks) > self._most:
            self._tasks.popitem(last=False)

    def _settle(self, key: str, task: asyncio.Task[T]) -> None:
        if task.cancelled() or task.exception():
            known = self._tasks.get(key)
            if known and known[1] is task:
                del self._tasks[key]


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
