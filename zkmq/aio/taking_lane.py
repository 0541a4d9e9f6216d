"""The lane of reserves and acknowledgements: those that wait share a write."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.call import Call, EndCall, ReserveCall, groups_of
from zkmq.aio.group_doubt import GroupDoubt, own
from zkmq.aio.lane import PAUSE_S, Answer, Lane
from zkmq.aio.spare_items import SpareItems
from zkmq.aio.threads import LoopThreads
from zkmq.errors import (
    AckUnknownError,
    BadArgumentError,
    ClosedError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    OutdatedClientError,
    ZkmqError,
)
from zkmq.taking.finish import DONE, Done
from zkmq.taking.reserve import MAX_BATCH, Reservation
from zkmq.tree.item import Hold, Item

# What no call of a group can do anything about.
UNREACHED = (NoQuorumError, ClosedError)
# What may be about one item that cannot go back.
STUCK = (IncompatibleTreeError, BadArgumentError)

log = logging.getLogger("zkmq.aio")


@dataclass(frozen=True, slots=True)
class Spare:
    """Items for whose reserve no task waits any more."""

    items: tuple[Item, ...]


class TakingLane(Lane[ReserveCall | EndCall | Spare]):
    """Takes and ends items, for all tasks together.

    Who waits first gets first. An acknowledgement is part of the next reserve's write, if there is
    one. One that is refused with others is tried alone.
    """

    name = "taking"

    def __init__(self, threads: LoopThreads, queue: BridgedQueue) -> None:
        super().__init__(threads, queue.store)
        self._queue = queue
        self._reserves: list[ReserveCall] = []
        self._ends: list[EndCall] = []
        self._spares = SpareItems()
        # A take without an answer: what it claimed is held, and nobody waits for it.
        self._in_doubt: OutcomeUnknownError | None = None
        self._waits_for_items = False

    def _wake(self) -> None:
        self._signal.set()
        if self._waits_for_items:
            self._queue.wake()

    def _declined(self, call: Any, outcome: Any) -> None:
        if isinstance(outcome, Reservation) and outcome.items:
            self.hand_over(Spare(outcome.items))
        elif isinstance(call, EndCall) and call.is_left:
            self.leave_items(call)

    def look_after(self, items: Sequence[Item]) -> None:
        """Give back what a worker left, also what a call of it in doubt took; in the event loop."""
        self.hand_over(Spare(tuple(items)))

    def leave(self, call: Call[Any]) -> bool:
        """Note that no task waits for a call any more; items that came, or come, go to others."""
        if not isinstance(call, ReserveCall):
            return super().leave(call)
        self._open.pop(call, None)
        # Else `_declined` gets them, or has got them.
        came = call.answer.result().items if _is_result(call) else ()
        self.hand_over(Spare(came))  # also if there are none, so that the thread stops waiting
        return not came

    def leave_items(self, call: EndCall) -> None:
        """Note that no task has the items of a call any more; if it fails, they go to others."""
        call.is_left = True
        if isinstance(call.outcome, BaseException):
            self.hand_over(Spare(tuple(call.items)))

    def _forget(self) -> None:
        self._reserves, self._ends = [], []

    def _turn(self) -> None:
        self._receive()
        dones = self._end_calls()
        self._hand_out_spares([*dones, *self._ends])
        self._reserves = [call for call in self._reserves if not call.answer.done()]
        if self._reserves:
            self._take(self._reserves[:], dones)
        elif dones:
            self._end(dones)
        elif not self._ends:
            self._tidy_up()

    def _receive(self) -> None:
        while self._handed:
            handed = self._handed.popleft()
            match handed:
                case Spare(items):
                    self._keep(items)
                case ReserveCall():
                    self._reserves.append(handed)
                case EndCall():
                    if handed.begin():
                        self._ends.append(handed)

    def _end_calls(self) -> list[EndCall]:
        """End items, calls that act alike together; leave one group of `done` for the next take."""
        groups, self._ends = groups_of(self._ends)
        dones: list[EndCall] = []
        for group in groups:
            if group[0].label == DONE and not dones:
                dones = group
            else:
                self._end(group)
        return dones

    def _end(self, group: Sequence[EndCall]) -> None:
        try:
            result = group[0].act(*(item for call in group for item in call.items))
            self.tell([(call, result) for call in group])
        except ZkmqError as error:
            is_refusal = isinstance(error, NotAppliedError) and not isinstance(error, UNREACHED)
            if len(group) == 1 or not is_refusal:
                self._tell_error(group, error)
                return
            for call in group:  # it may be about one of them
                self._end([call])

    def _take(self, calls: Sequence[ReserveCall], dones: Sequence[EndCall]) -> None:
        """Take items for these calls, and acknowledge in the same write."""
        # A look settles what is in doubt about spare items.
        at_once = dones or self._ends or self._spares
        until_s = 0.0 if at_once else min(call.until_s for call in calls)
        for call in calls:
            call.begin()
        self._waits_for_items = True
        try:
            found = self._queue.take(
                min(MAX_BATCH, sum(call.n for call in calls)),
                timeout_s=max(0.0, until_s - self._store.now()),
                done=[item for call in dones for item in call.items],
                sync=any(call.sync for call in calls),
                give_up=lambda: bool(self._handed) or self._is_stopping,
            )
        except AckUnknownError as error:
            # What the reserves claimed is in the queue again, and they wait on.
            self._tell_error(self._without_ended(dones), error)
        except UNREACHED as error:
            self._tell_error([*dones, *calls], error)
        except NotAppliedError as error:
            if dones:
                for each in dones:
                    self._end([each])
            else:
                self._tell_error(calls, error)
        except ZkmqError as error:
            if isinstance(error, OutcomeUnknownError):
                self._in_doubt = error
            self._tell_error([*self._without_ended(dones), *calls], error)
        else:
            self._in_doubt = None
            self.tell([(call, found.done) for call in dones])
            self._found(calls, found)
        finally:
            self._waits_for_items = False

    def _without_ended(self, dones: Sequence[EndCall]) -> Sequence[EndCall]:
        """Tell calls that took effect before the claim that is in doubt; return the others."""
        ended = [call for call in dones if all(item.hold is Hold.DONE for item in call.items)]
        self.tell([(call, Done(None, 0)) for call in ended])
        return [call for call in dones if call not in ended]

    def _found(self, calls: Sequence[ReserveCall], found: Reservation) -> None:
        """Give out items in the order of the calls; end calls whose time is over."""
        for call in calls:
            call.sync = False
        self._keep(self._hand_out(found.items, found))
        if not found.items:
            # Who got none, though there were some for others, has not seen the queue empty.
            now_s = self._store.now()
            self._answer([(call, found) for call in calls if call.until_s <= now_s])

    def _hand_out(self, items: Sequence[Item], found: Reservation) -> Sequence[Item]:
        """Give items to the reserves that wait; return those that nobody wants."""
        answers: list[Answer] = []
        for call in self._reserves:
            if not items:
                break
            if not call.answer.done():
                answers.append((call, replace(found, items=tuple(items[: call.n]), done=None)))
                items = items[call.n :]
        self._answer(answers)
        return items

    def _answer(self, answers: Sequence[Answer]) -> None:
        answered = {id(call) for call, _ in answers}
        self._reserves = [call for call in self._reserves if id(call) not in answered]
        self.tell(answers)

    def _tell_error(self, calls: Sequence[Call[Any]], error: ZkmqError) -> None:
        """Give each its own error, and end its waiting."""
        doubt = GroupDoubt.of(error, self._threads)
        # The last write: calls that an acknowledgement before it ended are not among these.
        self._answer([(call, own(error, doubt, ((-1, call.count),))) for call in calls])

    def _keep(self, items: Sequence[Item]) -> None:
        """Keep items for the next reserve, for a moment."""
        self._spares.keep(items, self._store.now())

    def _hand_out_spares(self, ends: Sequence[EndCall]) -> None:
        """Give spare items to the reserves that wait, but none that a call is about."""
        if not self._spares or not self._reserves:
            return
        sure = self._spares.sure({id(item) for call in ends for item in call.items})
        for call in self._reserves:
            call.begin()
        left = self._hand_out(sure, Reservation((), sure[0].fence if sure else None))
        self._spares.remove(sure[: len(sure) - len(left)])

    def _tidy_up(self) -> None:
        """Settle and give back what nobody waits for; or wait for something to do."""
        now_s = self._store.now()
        try:
            if self._in_doubt is not None:
                self._in_doubt.resolve()
                self._in_doubt = None
            self._queue.settle()  # what a worker left that was late to stop
            if arrived := self._queue.arrived():
                found = self._queue.take(
                    arrived, timeout_s=0.0, done=(), sync=False, give_up=lambda: True
                )
                self._keep(found.items)
            elif now_s >= self._spares.return_s:
                self._return_spares()
            else:
                self._signal.wait(self._spares.return_s)
        except ZkmqError as error:
            log.debug("tries again: %s", error)
            self._signal.wait(now_s + PAUSE_S)

    def _return_spares(self) -> None:
        """Let spare items go back to their places, as if they had not been taken."""
        held = self._spares.held()
        try:
            if held:
                self._queue.give_back(held)
        except NotHeldError:
            pass  # the lost one says so now, and the others go next
        except STUCK as error:
            if isinstance(error, OutdatedClientError):
                raise
            self._return_each(held)

    def _return_each(self, held: Sequence[Item]) -> None:
        """Do the same one by one, because one of them cannot go back."""
        for item in held:
            try:
                with suppress(NotHeldError):
                    self._queue.give_back([item])
            except STUCK as error:
                log.error("%s: stays held until the queue is closed: %s", item.id, error)  # noqa: TRY400 - the error says it
                self._spares.remove([item])


def _is_result(call: ReserveCall) -> bool:
    return call.is_answered and call.answer.exception() is None
