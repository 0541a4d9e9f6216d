"""The queue with one of its precautions taken away, each of which a crash point has to find.

Each mutant is a context: within it, queues of this process are mutated.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from worlds.crash_points.checks import Reason
from zkmq.doubt import Write
from zkmq.putting import producer_ticket
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking import holding
from zkmq.tree import item_names
from zkmq.tree.ticket import Refused, Ticket, TookEffect
from zkmq.zookeeper.store import (
    CheckVersion,
    Committed,
    Create,
    Delete,
    Lost,
    Op,
    Rejected,
    SetData,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mutant: where it has to be found, and for which reason."""

    name: str
    operation: str
    reason: Reason
    applied: Callable[[], AbstractContextManager[Any]]


class _NoTicket(Ticket):
    """Puts demand that the ticket exists, and do not use it up."""

    def _multi(self, label: str, ops: Sequence[Op], version: int) -> list[Op]:
        return [CheckVersion(self.path, -1), *ops]


class _TwoSteps(Ticket):
    """Reserve takes the items from the queue, and then makes them its own."""

    first: type[Op] = Delete

    def commit(
        self, write: Write, ops: Sequence[Op], deadline_s: float, **options: bool
    ) -> TookEffect | Refused:
        if write.label != "reserve":
            return super().commit(write, ops, deadline_s, **options)
        one = [op for op in ops if isinstance(op, self.first)]
        other = [op for op in ops if not isinstance(op, self.first)]
        taken = super().commit(write, one, deadline_s, **options)
        if isinstance(taken, Refused):
            return taken
        self.enter()
        return super().commit(write, other, deadline_s)


class _Move(_TwoSteps):
    """Reserve makes a copy, and then deletes what it copied, as the original's `_move` did."""

    first = Create


class _NoFence(Ticket):
    """Done deletes the claims, whatever became of the session."""

    def commit(
        self, write: Write, ops: Sequence[Op], deadline_s: float, **options: bool
    ) -> TookEffect | Refused:
        if write.label != "done":
            return super().commit(write, ops, deadline_s, **options)
        self.be_in_doubt([write])
        while True:
            match self._store.commit(ops, deadline_s):
                case Committed(zxid, created):
                    super().enter(used=False)
                    return TookEffect(zxid, created, 1)
                case Rejected(index, code):
                    super().enter(used=False)
                    return Refused(index, code, 1)
                case Lost():
                    self._pause(write.label, 1, deadline_s)

    def enter(self, *, used: bool = True) -> None:
        """Use no number for what was sent without one."""
        super().enter(used=used and self.in_doubt)


@contextmanager
def _unguarded_roll() -> Iterator[None]:
    guarded = TailSegments.roll

    def roll(self: TailSegments, priority: int) -> list[Op]:
        return [
            SetData(op.path, op.data, -1) if isinstance(op, SetData) else op
            for op in guarded(self, priority)
            if not isinstance(op, CheckVersion)
        ]

    with mock.patch.object(TailSegments, "roll", roll):
        yield


def _same_name(name: str) -> str:
    return name


MUTANTS = [
    Mutant(
        name="no ticket",
        operation="put-warm",
        reason=Reason.DUPLICATED,
        applied=lambda: mock.patch.object(producer_ticket, "Ticket", _NoTicket),
    ),
    Mutant(
        name="reserve in two steps",
        operation="reserve-warm",
        reason=Reason.LOST,
        applied=lambda: mock.patch.object(holding, "Ticket", _TwoSteps),
    ),
    Mutant(
        name="the original's _move",
        operation="reserve-warm",
        reason=Reason.OWNED_TWICE,
        applied=lambda: mock.patch.object(holding, "Ticket", _Move),
    ),
    Mutant(
        name="done without the fence",
        operation="done",
        reason=Reason.ACK_AFTER_EXPIRY,
        applied=lambda: mock.patch.object(holding, "Ticket", _NoFence),
    ),
    Mutant(
        name="return under the old name",
        operation="reserve-warm",
        reason=Reason.DELIVERY_COUNT,
        applied=lambda: mock.patch.object(item_names, "next_generation", _same_name),
    ),
    Mutant(
        name="roll without the guard",
        operation="put-roll",
        reason=Reason.REUSED_NAME,
        applied=_unguarded_roll,
    ),
]
