"""The lane of puts: those that wait are put together, in the order of the calls."""

from collections.abc import Callable, Sequence
from typing import Any

from zkmq.aio import put_outcomes
from zkmq.aio.call import Call, PutCall
from zkmq.aio.group_doubt import GroupDoubt
from zkmq.aio.lane import Lane
from zkmq.aio.threads import LoopThreads
from zkmq.errors import BadArgumentError, QueueFullError, ServerRefusedError, ZkmqError
from zkmq.putting.batches import MAX_BATCH_ITEMS, Put
from zkmq.putting.entry import Entry
from zkmq.putting.pipeline import DEPTH
from zkmq.working.worker import WorkerClock

PutMany = Callable[[Sequence[Entry]], list[Put]]
# As much as is in flight at once. The first calls of a larger group would wait for the last ones.
GROUP_ITEMS = DEPTH * MAX_BATCH_ITEMS
# What may be about one put of a group.
REFUSALS = (BadArgumentError, QueueFullError, ServerRefusedError)


class PuttingLane(Lane[PutCall]):
    """Puts what tasks want to put, as many together as wait."""

    name = "putting"

    def __init__(self, threads: LoopThreads, store: WorkerClock, put_many: PutMany) -> None:
        super().__init__(threads, store)
        self._put_many = put_many

    def _turn(self) -> None:
        group, count = list[PutCall](), 0
        while self._handed and count < GROUP_ITEMS:
            call = self._handed.popleft()
            if call.begin():
                group.append(call)
                count += call.count
        if group:
            self._put(group)
        else:
            self._signal.wait(float("inf"))

    def _put(self, group: Sequence[PutCall]) -> None:
        """Put what these calls want, and each alone that was refused with others."""
        spans = put_outcomes.spans([call.count for call in group])
        try:
            puts = self._put_many([entry for call in group for entry in call.entries])
            outcomes: list[list[Put] | ZkmqError] = [puts[s.start : s.stop] for s in spans]
        except ZkmqError as error:
            doubt = GroupDoubt.of(error, self._threads)
            outcomes = [put_outcomes.outcome(span, error, doubt) for span in spans]
        again, answers = [], list[tuple[Call[Any], Any]]()
        for call, outcome in zip(group, outcomes, strict=True):
            if len(group) > 1 and isinstance(outcome, REFUSALS):
                again.append(call)
            else:
                answers.append((call, outcome))
        self.tell(answers)
        for call in again:
            self._put([call])
