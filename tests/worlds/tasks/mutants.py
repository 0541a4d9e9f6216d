"""asyncio queues with one precaution taken away, each of which rough tasks have to find."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from zkmq.aio import AsyncQueue, put_outcomes
from zkmq.aio.call import Call, EndCall, PutCall, ReserveCall
from zkmq.aio.taking_lane import Spare, TakingLane
from zkmq.aio.task_calls import TaskCalls
from zkmq.aio.task_items import TaskItems
from zkmq.doubt import Settled
from zkmq.errors import NoQuorumError, OutcomeUnknownError, ZkmqError
from zkmq.taking.finish import Done
from zkmq.taking.group_locks import GroupLocks

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


def _forgets_unseen(self: TakingLane, call: Call[Any]) -> bool:
    """Forget what had come when the task was cancelled before it got that."""
    if isinstance(call, ReserveCall):
        self._open.pop(call, None)
        self.hand_over(Spare(()))
        return True
    return call.drop()


async def _says_not_put(_: TaskCalls, call: Any) -> tuple[Settled, ...]:
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


def _remembers_touches(self: TaskItems, call: EndCall, items: Any) -> None:
    """Take an earlier touch for a later one."""
    for item in items:
        item.unfinished = call


def _remembers_nothing(self: TaskItems, call: EndCall, items: Any) -> None:
    """Forget an end whose task was cancelled, or got no answer."""


async def _buries_nothing(self: AsyncQueue, *items: Any, reason: str) -> Done:
    return await self.touch(*items)


def _forgets_dedup_ids(self: PutCall, loop: Any, entries: Any) -> None:
    Call.__init__(self, loop)
    self.entries = [replace(entry, dedup_id=None) for entry in entries]
    self.count = len(entries)


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
        seed=0,
        found="held by no task",
        applied=_patched(TakingLane, "_declined", _drops_declined),
    ),
    TaskMutant(
        name="drops items that came at the moment of the cancellation",
        seed=3,
        found="held by no task",
        applied=_patched(TakingLane, "leave", _forgets_unseen),
    ),
    TaskMutant(
        name="says that a cancelled done is not done",
        seed=71,
        found="told not done, and that is false",
        applied=_patched(TaskCalls, "settled", _says_not_put),
    ),
    TaskMutant(
        name="says that a cancelled put is not put",
        seed=0,
        found="told not put, and that is false",
        applied=_patched(TaskCalls, "settled", _says_not_put),
    ),
    TaskMutant(
        name="takes a put in doubt for one that was not sent",
        seed=7,
        found="told not put, and that is false",
        applied=_patched(put_outcomes, "outcome", _all_or_nothing),
    ),
    TaskMutant(
        name="takes a put in doubt for success",
        seed=7,
        found="told put, and that is false",
        applied=_patched(put_outcomes, "outcome", _takes_doubt_for_success),
    ),
    TaskMutant(
        name="takes an earlier touch for a later one",
        seed=1,
        found="told touched, and that is false",
        applied=_patched(TaskItems, "remember", _remembers_touches),
    ),
    TaskMutant(
        name="forgets an end whose task got no answer",
        seed=0,
        found="told not held, and it was done by this task",
        applied=_patched(TaskItems, "remember", _remembers_nothing),
    ),
    TaskMutant(
        name="buries nothing",
        seed=0,
        found="told buried, and that is false",
        applied=_patched(AsyncQueue, "bury", _buries_nothing),
    ),
    TaskMutant(
        name="forgets the dedup_id of a put",
        seed=0,
        found="duplicated",
        applied=_patched(PutCall, "__init__", _forgets_dedup_ids),
    ),
    TaskMutant(
        name="lets claims lock no group",
        seed=0,
        found="owned-twice",
        applied=lambda: mock.patch.multiple(GroupLocks, lock=lambda *_: [], unlocks=lambda *_: []),
    ),
    TaskMutant(
        name="keeps the items of cancelled blocks",
        seed=0,
        found="held by no task",
        applied=_patched(TaskItems, "end_block", _keeps_block),
    ),
]
