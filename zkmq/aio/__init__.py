"""zkmq for asyncio: `zkmq.aio.Queue` has the operations and guarantees of `zkmq.Queue`."""

from zkmq.aio.async_errors import AsyncAckUnknownError, AsyncOutcomeUnknownError, WrongLoopError
from zkmq.aio.async_item import AsyncItem
from zkmq.aio.async_queue import AsyncQueue, AsyncReservation

Queue = AsyncQueue

__all__ = [
    "AsyncAckUnknownError",
    "AsyncItem",
    "AsyncOutcomeUnknownError",
    "AsyncQueue",
    "AsyncReservation",
    "Queue",
    "WrongLoopError",
]
