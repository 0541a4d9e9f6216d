"""What a task does with a call: it hands it to a lane, and waits until its answer or deadline."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from zkmq.aio import settling
from zkmq.aio.async_errors import AsyncOutcomeUnknownError
from zkmq.aio.call import Call, EndCall, PutCall
from zkmq.aio.lane import Lane
from zkmq.errors import NoQuorumError

T = TypeVar("T")
# The lanes know more than a call's timer does, so the timer lets them tell first.
LATE_S = 0.5


class TaskCalls:
    """The calls of one event loop's tasks, each of which ends at its deadline.

    `deadline_s` says how long a call that begins now may take.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline_s: Callable[[], float]) -> None:
        self.loop = loop
        self._deadline_s = deadline_s

    def hand_over(self, lane: Lane[Any], call: Call[Any], timeout_s: float = 0.0) -> None:
        """Give a call to its lane, and see to it that it ends at its deadline."""
        if timeout_s < float("inf"):
            within_s = timeout_s + self._deadline_s() + LATE_S
            call.timer = self.loop.call_later(within_s, self._expire, lane, call)
        lane.hand_over(call)

    async def answer(self, lane: Lane[Any], call: Call[T]) -> T:
        """Wait for the answer of a call; leave the call if the task is cancelled."""
        try:
            return await call.answer
        except asyncio.CancelledError:
            self.leave(lane, call)
            raise
        finally:
            call.end_timer()

    def leave(self, lane: Lane[Any], call: Call[Any]) -> None:
        """Wait no more for a call, whose answer may have come without the task's getting it."""
        call.end_timer()
        if not call.answer.cancel() and not call.answer.cancelled():
            call.answer.exception()  # so that it counts as seen
        lane.leave(call)

    def _expire(self, lane: Lane[Any], call: Call[Any]) -> None:
        """End a call whose time is over. What is under way goes on."""
        if call.answer.done():
            return
        if lane.leave(call):
            call.answer.set_exception(
                NoQuorumError("no answer before the deadline; nothing took effect for this call")
            )
            return
        error = AsyncOutcomeUnknownError(
            "no answer before the deadline; it may have taken effect, or may yet"
        )
        if isinstance(call, PutCall | EndCall):
            error.ask = partial(settling.settled, call)
            error.doubtful = len(call.entries if isinstance(call, PutCall) else call.items)
        call.answer.set_exception(error)
