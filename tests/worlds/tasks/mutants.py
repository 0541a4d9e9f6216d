"""asyncio queues with one precaution taken away, each of which rough tasks have to find."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from zkmq.aio import put_outcomes, settling
from zkmq.aio.call import Call, EndCall, ReserveCall
from zkmq.aio.taking_lane import Spare, TakingLane
from zkmq.aio.task_items import TaskItems
from zkmq.doubt import Settled
from zkmq.errors import NoQuorumError, OutcomeUnknownError, ZkmqError

outcome = put_outcomes.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMutant:
    """One mutant, a part of what has to be said against it, and the seed of a run that said it."""

    name: str
    seed: int
    found: str
    applied: Callable[[], AbstractContextManager[Any]]


def _drops_declined(self: TakingLane, call: Any, outcome: Any) -> None:
    """Forget what came for a cancelled reserve."""


def _drops_failed_ends(self: TakingLane, call: Any, outcome: Any) -> None:
    """Forget an item whose block was cancelled while it was ended, if that end fails."""
    if not isinstance(call, EndCall):
        declined(self, call, outcome)


declined = TakingLane._declined


def _forgets_unseen(self: TakingLane, call: Call[Any]) -> bool:
    """Forget what had come when the task was cancelled before it got that."""
    if isinstance(call, ReserveCall):
        self._open.pop(call, None)
        self.hand_over(Spare(()))
        return True
    return call.drop()


async def _says_not_put(call: Any) -> tuple[Settled, ...]:
    count = len(call.items if isinstance(call, EndCall) else call.entries)
    return (Settled("put", took_effect=False, zxid=None, items=count),)


def _all_or_nothing(mine: range, error: ZkmqError, doubt: Any) -> Any:
    """Give everybody what the last of the group gets."""
    if isinstance(error, OutcomeUnknownError):
        return NoQuorumError("put: not sent")
    return outcome(mine, error, doubt)


def _takes_doubt_for_success(mine: range, error: ZkmqError, doubt: Any) -> Any:
    if isinstance(error, OutcomeUnknownError):
        return [None] * len(mine)
    return outcome(mine, error, doubt)


async def _keeps_block(self: TaskItems, item: Any, error: BaseException | None) -> bool:
    """Leave an item whose block was cancelled."""
    if isinstance(error, asyncio.CancelledError):
        return False
    return await end_block(self, item, error)


end_block = TaskItems.end_block


def _patched(owner: Any, name: str, new: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: mock.patch.object(owner, name, new)


TASK_MUTANTS = [
    TaskMutant(
        name="drops the items of a cancelled reserve",
        seed=3,
        found="held by no task",
        applied=_patched(TakingLane, "_declined", _drops_declined),
    ),
    TaskMutant(
        name="drops items that came at the moment of the cancellation",
        seed=1,
        found="held by no task",
        applied=_patched(TakingLane, "leave", _forgets_unseen),
    ),
    TaskMutant(
        name="drops an item whose end fails after its block was cancelled",
        seed=106,
        found="held by no task",
        applied=_patched(TakingLane, "_declined", _drops_failed_ends),
    ),
    TaskMutant(
        name="says that a cancelled done is not done",
        seed=17,
        found="told not done, and that is false",
        applied=_patched(settling, "settled", _says_not_put),
    ),
    TaskMutant(
        name="says that a cancelled put is not put",
        seed=0,
        found="told not put, and that is false",
        applied=_patched(settling, "settled", _says_not_put),
    ),
    TaskMutant(
        name="takes a put in doubt for one that was not sent",
        seed=63,
        found="told not put, and that is false",
        applied=_patched(put_outcomes, "outcome", _all_or_nothing),
    ),
    TaskMutant(
        name="takes a put in doubt for success",
        seed=2,
        found="told put, and that is false",
        applied=_patched(put_outcomes, "outcome", _takes_doubt_for_success),
    ),
    TaskMutant(
        name="keeps the items of cancelled blocks",
        seed=1,
        found="held by no task",
        applied=_patched(TaskItems, "end_block", _keeps_block),
    ),
]
