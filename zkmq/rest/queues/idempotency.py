"""Answers by idempotency key: a request that a client repeats is done only once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from zkmq.rest.http.http_errors import HttpError

T = TypeVar("T")


class IdempotentAnswers(Generic[T]):
    """The last `most` answers by key. A failure is not kept, so that the client may retry."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: OrderedDict[str, tuple[int, asyncio.Task[T]]] = OrderedDict()

    async def do(self, key: str | None, request: int, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work, or return the answer for this key; wait if the work is under way.

        The work continues if its client hangs up. `request` is the hash of the request.

        Raises:
            HttpError: 422, the key was used for another request.
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
