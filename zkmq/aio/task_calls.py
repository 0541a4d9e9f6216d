"""What a task does with a call: it hands it to a lane, and waits until its answer or deadline."""

import asyncio
from typing import Any, TypeVar

from zkmq.aio import settling
from zkmq.aio.call import Call, EndCall, PutCall
from zkmq.aio.lane import Lane
from zkmq.doubt import Settled
from zkmq.errors import NoQuorumError, ZkmqError

T = TypeVar("T")
# The lanes know more than a call's timer does, so the timer lets them tell first.
LATE_S = 0.5


class TaskCalls:
    """The calls of one event loop's tasks, each of which ends at its deadline.

    `deadline_s` says how long a call that begins now may take.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline_s: settling.Within) -> None:
        self.loop = loop
        self._deadline_s = deadline_s

    def hand_over(self, lane: Lane[Any], call: Call[Any], timeout_s: float = 0.0) -> None:
        """Give a call to its lane, and see to it that it ends at its deadline."""
        if timeout_s < float("inf"):
            within_s = timeout_s + self._deadline_s() + LATE_S
            call.timer = self.loop.call_later(within_s, self._expire, lane, call)
        lane.hand_over(call)

    async def answer(self, lane: Lane[Any], call: Call[T]) -> T:
        """Wait for the answer of a call; leave the call if the task is cancelled, or ends."""
        try:
            return await call.answer
        except ZkmqError:
            raise
        except BaseException:
            self.leave(lane, call)
            raise
        finally:
            call.end_timer()

    async def outcome_of(self, call: Call[Any]) -> Any:
        """Wait for the outcome of a call that was left; return it, also an error.

        Raises:
            AsyncOutcomeUnknownError: it has none before the deadline.
        """
        return await settling.outcome_of(call, self._deadline_s)

    async def settled(self, call: PutCall | EndCall) -> tuple[Settled, ...]:
        """Find out what a call that was left did; raises as `outcome_of`."""
        return await settling.settled(call, self._deadline_s)

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
        call.answer.set_exception(settling.under_way(call, self._deadline_s))
