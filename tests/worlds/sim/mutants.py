"""The queue with one more of its precautions taken away, each of which a simulation has to find.

These need an operator, a janitor, or a time to run: `WHOLE` has all of them. The others are in
`worlds.crash_points.weakened`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from worlds.crash_points.checks import Reason
from worlds.sim.schedule import OperateStep, PutStep, Schedule, TakeStep
from zkmq.janitor.overdue_claims import OverdueClaims
from zkmq.putting.dedup import Dedup
from zkmq.putting.entry import Entry
from zkmq.tree import envelope
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.guards import Guard
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.zookeeper.store import Op, Pending, Znode

# Items with a time to run that are held for longer, touched or not; an id that two producers
# use; one that comes back again and again; and an operator who purges, kicks and raises the tree.
WHOLE = Schedule(
    producers=(
        (PutStep(3, ttr_s=3.0), PutStep(dedup_id="a", pause_s=0.01), PutStep(4, pause_s=1.0)),
        (PutStep(dedup_id="a", pause_s=0.01), PutStep(5, batch=1), PutStep(2, pause_s=5.0)),
    ),
    consumers=(
        (
            TakeStep(2, timeout_s=4.0, hold_s=5.0, touch=True),
            TakeStep(3, timeout_s=4.0, then="bury"),
            TakeStep(1, then="release"),
            TakeStep(1, sync=True),
            TakeStep(2, sync=True),
        ),
        (TakeStep(2, timeout_s=4.0, then="release"), TakeStep(1, sync=True)) * 3,
    ),
    operator=(
        OperateStep("purge", pause_s=0.02),
        OperateStep("kick", pause_s=5.0),
        OperateStep("upgrade", pause_s=0.02),
    ),
    max_deliveries=2,
    new=("operator-0", "producer-1"),
    deadline_s=5.0,
)


take_back, read = OverdueClaims.take_back, OverdueClaims._read


@dataclass(frozen=True, slots=True, kw_only=True)
class SimMutant:
    """One mutant, and the reason for which it has to be found."""

    name: str
    reason: Reason
    applied: Callable[[], AbstractContextManager[Any]]


def _undemanding(self: CharteredStore, ops: Sequence[Op]) -> Pending:
    return self.inner.submit(ops)


def _uncommitted(self: CharteredStore, ops: Sequence[Op], deadline_s: float) -> Any:
    return self.inner.commit(ops, deadline_s)


def _undemanded(self: Dedup, entry: Entry, now_ms: float, deadline_s: float) -> list[Op]:
    return []


def _impatient(
    self: OverdueClaims, consumers: Sequence[str], now_ms: float, deadline_s: float, until_s: float
) -> int:
    return take_back(self, consumers, now_ms + 3_600_000, deadline_s, until_s)


def _untouched(
    self: OverdueClaims, paths: Sequence[str], deadline_s: float
) -> list[tuple[str, Znode]]:
    return [
        (name, node._replace(mtime_ms=node.ctime_ms))
        for name, node in read(self, paths, deadline_s)
    ]


def _all(self: Guard, segments: list[str]) -> list[str]:
    return sorted(segments)


def _available(self: RedeliveryPolicy, header: envelope.Header) -> str:
    return "items"


def _writes_undemanding() -> AbstractContextManager[Any]:
    return mock.patch.multiple(CharteredStore, submit=_undemanding, commit=_uncommitted)


SIM_MUTANTS = [
    SimMutant(
        name="writes do not demand the charter",
        reason=Reason.OUTDATED,
        applied=_writes_undemanding,
    ),
    SimMutant(
        name="ids are not asked for",
        reason=Reason.DUPLICATED,
        applied=lambda: mock.patch.object(Dedup, "checks", _undemanded),
    ),
    SimMutant(
        name="every hold is overdue",
        reason=Reason.TAKEN_EARLY,
        applied=lambda: mock.patch.object(OverdueClaims, "take_back", _impatient),
    ),
    SimMutant(
        name="touch changes nothing",
        reason=Reason.TAKEN_EARLY,
        applied=lambda: mock.patch.object(OverdueClaims, "_read", _untouched),
    ),
    SimMutant(
        name="looks pass over no purge",
        reason=Reason.MISPLACED,
        applied=lambda: mock.patch.object(Guard, "waiting", _all),
    ),
    SimMutant(
        name="no delivery is the last",
        reason=Reason.MISPLACED,
        applied=lambda: mock.patch.object(RedeliveryPolicy, "place", _available),
    ),
]
