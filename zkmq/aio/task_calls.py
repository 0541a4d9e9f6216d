"""What a task does with a call: it hands it to a lane, and waits until its answer or deadline."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from zkmq.aio.async_errors import AsyncOutcomeUnknownError, clone
from zkmq.aio.call import Call, EndCall, PutCall
from zkmq.aio.lane import Lane
from zkmq.doubt import Settled
from zkmq.errors import NoQuorumError, PartlyPutError, ZkmqError
from zkmq.putting.batches import Put

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
        outcome = await call.known(self._deadline_s())
        if outcome is None:
            raise self._under_way(call)
        return outcome

    async def settled(self, call: PutCall | EndCall) -> tuple[Settled, ...]:
        """Find out what a call that was left did; raises as `outcome_of`."""
        label = "put" if isinstance(call, PutCall) else call.label
        outcome = await self.outcome_of(call)
        if isinstance(outcome, AsyncOutcomeUnknownError):
            parts = _put(label, outcome.applied)
            if outcome.ask is None:  # the queue was closed, and nobody can find out
                parts.append(Settled(label, None, None, call.count - len(outcome.applied)))
            else:
                parts += await outcome.ask()
        elif isinstance(outcome, PartlyPutError):
            parts = _put(label, outcome.applied)
        elif isinstance(outcome, ZkmqError) and outcome.definite:
            parts = []
        elif isinstance(outcome, ZkmqError):
            raise clone(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
        elif isinstance(outcome, list):
            parts = _put(label, outcome)
        else:
            parts = [Settled(label, took_effect=True, zxid=outcome.zxid, items=call.count)]
        rest = call.count - sum(part.items for part in parts)
        if rest:
            parts.append(Settled(label, took_effect=False, zxid=None, items=rest))
        return tuple(parts)

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
        call.answer.set_exception(self._under_way(call))

    def _under_way(self, call: Call[Any]) -> AsyncOutcomeUnknownError:
        """The error of a call that still has no outcome at its deadline."""
        error = AsyncOutcomeUnknownError(
            "no answer before the deadline; it may have taken effect, or may yet"
        )
        if isinstance(call, PutCall | EndCall):
            error.ask = partial(self.settled, call)
        error.doubtful = call.count
        return error


def _put(label: str, puts: Sequence[object]) -> list[Settled]:
    """The outcome of items that are put, as one answer."""
    if not puts:
        return []
    last = puts[-1]
    zxid = last.zxid if isinstance(last, Put) else None
    return [Settled(label, took_effect=True, zxid=zxid, items=len(puts))]
