"""The doubt of a call that served several tasks, divided among those tasks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Self

from zkmq.aio.async_errors import Ask, awaitable, clone
from zkmq.aio.threads import LoopThreads
from zkmq.doubt import Settled
from zkmq.errors import OutcomeUnknownError, ZkmqError

# The number of a write in the doubt, and how many of its items are one task's.
Part = tuple[int, int]


class GroupDoubt:
    """Asks for an outcome once, however many tasks want to know it."""

    def __init__(self, error: OutcomeUnknownError, threads: LoopThreads) -> None:
        self._error = error
        self._threads = threads
        self._asking: asyncio.Future[tuple[Settled, ...]] | None = None

    @classmethod
    def of(cls, error: ZkmqError, threads: LoopThreads) -> Self | None:
        """The doubt that an error leaves; None if the error leaves none."""
        return cls(error, threads) if isinstance(error, OutcomeUnknownError) else None

    def asker(self, parts: Sequence[Part] | None) -> Ask:
        """Return what one task calls to learn the outcomes of its parts, or of all."""
        return partial(self._resolve, parts)

    async def _resolve(self, parts: Sequence[Part] | None) -> tuple[Settled, ...]:
        self._threads.require_here()
        if self._asking is None or (self._asking.done() and self._asking.exception() is not None):
            self._asking = self._threads.call("zkmq-aio-resolve", self._error.resolve)
        try:
            # Shielded, because others wait for it too.
            found = await asyncio.shield(self._asking)
        except OutcomeUnknownError as error:
            raise awaitable(error, self.asker(parts)) from error
        except ZkmqError as error:
            raise clone(error) from error
        return found if parts is None else tuple(_share(found, *part) for part in parts)


def _share(found: Sequence[Settled], number: int, count: int) -> Settled:
    """One task's share of a write. A write without an answer was never sent."""
    if number < len(found):
        return replace(found[number], items=count)
    return Settled("put", took_effect=False, zxid=None, items=count)


def own(
    error: ZkmqError, doubt: GroupDoubt | None, parts: Sequence[Part] | None = None
) -> ZkmqError:
    """Make of an error that several tasks get that of one of them, with its parts or all."""
    if isinstance(error, OutcomeUnknownError):
        return awaitable(error, doubt.asker(parts) if doubt else None)
    return clone(error)
