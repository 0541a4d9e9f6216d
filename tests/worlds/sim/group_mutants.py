"""Groups with one of their precautions taken away, each of which a simulation has to find."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

from worlds.crash_points.checks import Reason
from worlds.sim.mutants import SimMutant
from zkmq.taking.finish import Finisher
from zkmq.taking.group_locks import GroupGate, GroupLocks
from zkmq.tree import envelope
from zkmq.zookeeper.store import Op

begin, end = GroupGate.begin, Finisher._end


def _unlocked(self: GroupLocks, header: envelope.Header, name: str) -> list[Op]:
    return []


def _any_item(self: GroupGate, path: str) -> bool:
    lock = self._known.get(path) if self.is_on else None
    return lock is None or lock not in self._locked


def _any_lock(self: GroupGate, paths: Sequence[str], locked: frozenset[str] | None) -> None:
    """See no lock at the look, and leave it to the claim to fail if there is one."""
    begin(self, paths, None if locked is None else frozenset())


def _no_holes(self: GroupGate, path: str) -> None:
    """Take what vanished for an item of no group."""


def _impatient(self: Finisher, items: Any, *about: Any) -> Any:
    """Unlock the group of an item that comes back only later."""
    request, hold, to, until_s = about

    def and_unlock(left: Any) -> list[Op]:
        ops = to(left)
        unlocked = any(op.path.startswith(self._tree.groups) for op in ops)
        return ops if unlocked else [*ops, *self._unlocks(left)]

    return end(self, items, request, hold, and_unlock, until_s)


GROUP_MUTANTS = [
    SimMutant(
        name="claims lock no group",
        reason=Reason.OWNED_TWICE,
        applied=lambda: mock.patch.multiple(GroupLocks, lock=_unlocked, unlocks=lambda *_: []),
    ),
    SimMutant(
        name="any item of a free group is taken",
        reason=Reason.ORDER,
        applied=lambda: mock.patch.object(GroupGate, "is_open", _any_item),
    ),
    SimMutant(
        name="a look sees no locks",
        reason=Reason.ORDER,
        applied=lambda: mock.patch.object(GroupGate, "begin", _any_lock),
    ),
    SimMutant(
        name="what vanished had no group",
        reason=Reason.ORDER,
        applied=lambda: mock.patch.object(GroupGate, "vanished", _no_holes),
    ),
    SimMutant(
        name="a group does not wait for a delay",
        reason=Reason.OWNED_TWICE,
        applied=lambda: mock.patch.object(Finisher, "_end", _impatient),
    ),
]
