"""Answers by idempotency key: a request that a client repeats is done only once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from zkmq.rest.http.http_errors import HttpError

T = TypeVar("T")


class IdempotentAnswers(Generic[T]):
    """The last answers by key. A failure is not kept, so that the client may retry.

    There are at most `most` of them, and the last one; `size` tells for how many an answer counts.
    """

    def __init__(self, most: int, size: Callable[[T], int] = lambda _: 1) -> None:
        self._most = most
        self._size = size
        self._sizes: dict[asyncio.Task[T], int] = {}
        self._kept = 0
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
        self._count(known[1], 1)
        known[1].add_done_callback(lambda task: self._settle(key, task))

    def _settle(self, key: str, task: asyncio.Task[T]) -> None:
        known = self._tasks.get(key)
        if known is None or known[1] is not task:
            return  # forgotten before its work was done
        if task.cancelled() or task.exception():
            del self._tasks[key]
            self._kept -= self._sizes.pop(task)
        else:
            self._count(task, self._size(task.result()))

    def _count(self, task: asyncio.Task[T], size: int) -> None:
        """Count an answer for so many, and forget the first ones if there are too many."""
        self._kept += size - self._sizes.get(task, 0)
        self._sizes[task] = size
        while self._kept > self._most and len(self._tasks) > 1:
            _, (_, first) = self._tasks.popitem(last=False)
            self._kept -= self._sizes.pop(first)


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
