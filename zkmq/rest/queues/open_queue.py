"""One open queue: puts of several HTTP clients go together, and each is done once by its key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kazoo.protocol.states import ZnodeStat

from zkmq import Put, Queue
from zkmq.putting.batches import MAX_BATCH_ITEMS
from zkmq.putting.entry import Entry
from zkmq.rest.queues.group_commit import GroupCommit
from zkmq.rest.queues.idempotency import IdempotentAnswers
from zkmq.rest.upstream.async_session import AsyncSession

# What answers to puts count for that are kept: one for each id, and ten for the answer.
_MOST_KEPT, _ANSWER = 100_000, 10


@dataclass(frozen=True, slots=True)
class Accepted:
    """Entries that are in the queue: their ids, and the zxid if it is known.

    `duplicates` are the indexes of entries that were put before with the same dedup id.
    """

    ids: list[str | None]
    zxid: int | None
    duplicates: list[int]


class OpenQueue:
    """One open queue, for producers and operators."""

    def __init__(self, name: str, queue: Queue, run: Any, shared: AsyncSession) -> None:
        self.queue = queue
        self.run = run
        self._name = name
        self._shared = shared
        self._group = GroupCommit(self._put_many)
        self._answers = IdempotentAnswers[Accepted](
            _MOST_KEPT, lambda accepted: _ANSWER + len(accepted.ids)
        )

    async def put(self, entries: Sequence[Entry], key: str | None) -> Accepted:
        """Put entries that fit in one write.

        With a key, they are put once, and every call with that key gets the same answer. If
        another gateway gave the first answer, the ids are not known.
        """
        return await self._answers.do(key, hash(tuple(entries)), lambda: self._put(entries))

    async def _put(self, entries: Sequence[Entry]) -> Accepted:
        puts = await self._group.put(entries)
        zxid = next((put.zxid for put in puts if put.zxid is not None), None)
        if zxid is None and puts[0].duplicate:
            zxid = await self._first_zxid(entries[0])
        duplicates = [index for index, put in enumerate(puts) if put.duplicate]
        return Accepted([put.name for put in puts], zxid, duplicates)

    async def _put_many(self, entries: Sequence[Entry]) -> list[Put]:
        puts: list[Put] = await self.run(self.queue.put_many, entries, batch=MAX_BATCH_ITEMS)
        return puts

    async def _first_zxid(self, entry: Entry) -> int | None:
        """Find the zxid of the first put with an id, whose node was made in the same write."""
        parent = f"/{self._name}/dedup"
        hours, _ = await self._shared.children(parent)
        paths = [f"{parent}/{hour}/{entry.dedup_hash}" for hour in hours]
        stats: list[ZnodeStat | None] = [await self._shared.exists(path) for path in paths]
        return next((stat.czxid for stat in stats if stat is not None), None)
