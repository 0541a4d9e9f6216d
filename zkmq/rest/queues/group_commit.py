"""Group commit: put requests of several HTTP clients that arrive together share one write."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from zkmq import Put
from zkmq.putting.batches import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, write_bytes
from zkmq.putting.entry import Entry

PutMany = Callable[[Sequence[Entry]], Awaitable[list[Put]]]


@dataclass(slots=True)
class _PutRequest:
    """The entries of one request, which take effect together or not at all."""

    entries: Sequence[Entry]
    size: int
    answer: asyncio.Future[list[Put]]


class GroupCommit:
    """Gathers requests while a write is in flight, and sends them in the next one.

    A group is never larger than one write of the queue, so that each request takes effect as a
    whole. Requests take effect in the order of the calls.
    """

    def __init__(self, put_many: PutMany) -> None:
        self._put_many = put_many
        self._waiting: deque[_PutRequest] = deque()
        self._pump: asyncio.Task[None] | None = None

    async def put(self, entries: Sequence[Entry]) -> list[Put]:
        """Put entries that fit in one write.

        Raises:
            ZkmqError: the write with these entries failed, or its outcome is unknown.
        """
        answer: asyncio.Future[list[Put]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_PutRequest(entries, size_of(entries), answer))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                puts = await self._put_many([entry for each in group for entry in each.entries])
            except Exception as error:  # noqa: BLE001 -- raised where each answer is awaited
                for each in group:
                    if not each.answer.done():
                        each.answer.set_exception(error)
            else:
                _distribute(group, puts)

    def _next_group(self) -> list[_PutRequest]:
        group = [self._waiting.popleft()]
        count, size = len(group[0].entries), group[0].size
        while self._waiting:
            count += len(self._waiting[0].entries)
            size += self._waiting[0].size
            if count > MAX_BATCH_ITEMS or size > MAX_BATCH_BYTES:
                break
            group.append(self._waiting.popleft())
        return group


def fits_one_write(entries: Sequence[Entry]) -> bool:
    """Whether entries fit in one write, so that they take effect together."""
    small = len(entries) <= MAX_BATCH_ITEMS and size_of(entries) <= MAX_BATCH_BYTES
    return small or len(entries) == 1


def size_of(entries: Sequence[Entry]) -> int:
    """Estimate the bytes of entries in a write."""
    return sum(map(write_bytes, entries))


def _distribute(group: Sequence[_PutRequest], puts: Sequence[Put]) -> None:
    start = 0
    for each in group:
        end = start + len(each.entries)
        if not each.answer.done():  # its client may have hung up
            each.answer.set_result(list(puts[start:end]))
        start = end
