"""The lane of reserves and acknowledgements: those that wait share a write."""

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.call import Call, EndCall, ReserveCall
from zkmq.aio.group_doubt import GroupDoubt, own
from zkmq.aio.lane import PAUSE_S, Answer, Lane
from zkmq.aio.threads import LoopThreads
from zkmq.errors import (
    AckUnknownError,
    ClosedError,
    NoQuorumError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    ZkmqError,
)
from zkmq.taking.finish import DONE
from zkmq.taking.reserve import MAX_BATCH, Reservation
from zkmq.tree.item import Hold, Item

# How long items that came for a cancelled reserve wait for another one, before they go back.
SPARE_S = 0.05

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
        self._spares: deque[Item] = deque()
        # When the spare items go back.
        self._return_s = float("inf")
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

    def look_after(self) -> None:
        """Give back what a worker left that stopped with a call in doubt; in the event loop."""
        self.hand_over(Spare(()))

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
        if not dones and not self._ends:  # which may be about spare items
            self._hand_out_spares()
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
        groups, self._ends = _groups(self._ends)
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
        except (NoQuorumError, ClosedError) as error:
            self._tell_error(group, error)
        except NotAppliedError as error:
            if len(group) == 1:
                self._tell_error(group, error)
            for call in group if len(group) > 1 else ():
                self._end([call])
        except ZkmqError as error:
            self._tell_error(group, error)

    def _take(self, calls: Sequence[ReserveCall], dones: Sequence[EndCall]) -> None:
        """Take items for these calls, and acknowledge in the same write."""
        at_once = dones or self._ends
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
            self._tell_error(dones, error)
        except (NoQuorumError, ClosedError) as error:
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
            self._tell_error([*dones, *calls], error)
        else:
            self._in_doubt = None
            self.tell([(call, found.done) for call in dones])
            self._found(calls, found)
        finally:
            self._waits_for_items = False

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
        doubt = None
        if isinstance(error, OutcomeUnknownError):
            doubt = GroupDoubt(error, self._threads)
        self._answer([(call, own(error, doubt, ((0, _size(call)),))) for call in calls])

    def _keep(self, items: Sequence[Item]) -> None:
        """Keep items for the next reserve, for a moment."""
        known = set(map(id, self._spares))
        if items:
            self._spares.extend(item for item in items if id(item) not in known)
            self._return_s = min(self._return_s, self._store.now() + SPARE_S)

    def _hand_out_spares(self) -> None:
        """Give spare items to the reserves that wait."""
        if not self._spares or not self._reserves:
            return
        # One that may be on its way back is no more to be had.
        sure = [i for i in self._spares if i.hold is Hold.HELD and i.in_doubt is None]
        for call in self._reserves:
            call.begin()
        left = self._hand_out(sure, Reservation((), sure[0].fence if sure else None))
        gone = {id(item) for item in sure} - {id(item) for item in left}
        self._spares = deque(item for item in self._spares if id(item) not in gone)

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
            elif self._spares and now_s >= self._return_s:
                self._return_spares()
            else:
                self._signal.wait(self._return_s if self._spares else float("inf"))
        except ZkmqError as error:
            log.debug("tries again: %s", error)
            self._signal.wait(now_s + PAUSE_S)

    def _return_spares(self) -> None:
        """Let spare items go back to their places, as if they had not been taken."""
        self._spares = deque(item for item in self._spares if item.hold is Hold.HELD)
        if not self._spares:
            self._return_s = float("inf")
            return
        with suppress(NotHeldError):  # the lost one says so now, and the others go next
            self._queue.give_back(tuple(self._spares))


def _is_result(call: ReserveCall) -> bool:
    return call.is_answered and call.answer.exception() is None


def _size(call: Call[Any]) -> int:
    return len(call.items) if isinstance(call, EndCall) else 1


def _groups(calls: Sequence[EndCall]) -> tuple[list[list[EndCall]], list[EndCall]]:
    """Put calls together that act alike; return those that have to wait for others.

    A call waits for one about the same item. A group has at most MAX_BATCH items, unless one call
    has more.
    """
    groups: dict[object, list[EndCall]] = {}
    later: list[EndCall] = []
    seen: set[int] = set()
    for call in calls:
        mine = {id(item) for item in call.items}
        group = groups.setdefault(call.key, [])
        full = group and sum(len(each.items) for each in group) + len(mine) > MAX_BATCH
        if full or not seen.isdisjoint(mine):
            later.append(call)
        else:
            group.append(call)
        seen |= mine
    return [group for group in groups.values() if group], later
