"""Operations that take effect at most once, and whose outcome can always be asked for.

A ticket is a node whose version counts the operations of its one writer. Every operation is a
multi that starts with `set_data(ticket, version=v)`: whichever copy of it arrives first uses up
version v, so it can be sent again for as long as no answer came, and BadVersion on a copy says
that another copy took effect. Number v belongs to one message for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from zkmq.errors import (
    AccessDeniedError,
    AckUnknownError,
    IncompatibleTreeError,
    NoQuorumError,
    OutcomeUnknownError,
)
from zkmq.store import Code, Committed, GetData, Lost, Node, Op, Rejected, SetData, Store

BURNT = b"burnt"
RESEND_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Applied:
    """The operation took effect, once.

    `zxid` and `created` are None where a lost reply took them along. `created` is of the
    operations after the ticket.
    """

    zxid: int | None
    created: Sequence[str | None] | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation took no effect and its number is free: `index` counts after the ticket."""

    index: int
    code: Code
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an operation whose outcome was unknown.

    `took_effect` is None when nothing can tell any more: its ticket is gone.
    """

    label: str
    took_effect: bool | None
    zxid: int | None


class TicketGoneError(Exception):
    """The ticket's node is gone, and no copy of the operation took effect."""


class Ticket:
    """One writer's sequence of operations. Not thread-safe; one operation at a time."""

    def __init__(self, store: Store, path: str, version: int = 0) -> None:
        self.path = path
        self.version = version
        self.mtime_ms: int | None = None
        self._store = store
        self._doubt: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether an operation was given up without an answer; `settle` first."""
        return self._doubt is not None

    def commit(self, label: str, ops: Sequence[Op], deadline_s: float) -> Applied | Refused:
        """Send until answered. `label` is written to the ticket, for people and for `settle`.

        Raises:
            OutcomeUnknownError: no answer before the deadline.
            AckUnknownError: the ticket vanished while a copy was in doubt.
            TicketGoneError: the ticket had vanished before.
            AccessDeniedError: the servers refused.
        """
        assert not self.in_doubt
        multi = [SetData(self.path, label.encode(), self.version), *ops]
        attempts, unsure = 0, False
        while True:
            reply = self._store.commit(multi, deadline_s)
            attempts += 1
            match reply:
                case Committed(zxid, created, mtime_ms):
                    self.version += 1
                    self.mtime_ms = mtime_ms
                    return Applied(zxid, created[1:], attempts)
                case Rejected(0, Code.BAD_VERSION) if unsure:
                    return Applied(self._spent(deadline_s), None, attempts)
                case Rejected(0, Code.NO_NODE):
                    raise self._gone(label) if unsure else TicketGoneError(self.path)
                case Rejected(_, Code.NO_AUTH):
                    raise AccessDeniedError(f"{label}: the servers refused these credentials")
                case Rejected(0, code):
                    raise IncompatibleTreeError(
                        f"{self.path}: expected version {self.version}, which only this client "
                        f"writes; got {code.name}"
                    )
                case Rejected(index, code):
                    return Refused(index - 1, code, attempts)
                case Lost(reason):
                    unsure = True
                    self._pause(label, reason, attempts, deadline_s)

    def settle(self, deadline_s: float) -> Settled:
        """Find out whether the operation in doubt took effect; if not, make sure it never will.

        Uses the number up by writing the ticket alone: then either that write or the operation
        had it.

        Raises:
            OutcomeUnknownError: no answer before the deadline; ask again.
        """
        assert self._doubt is not None
        label = self._doubt
        burn = [SetData(self.path, BURNT, self.version)]
        while True:
            match self._store.commit(burn, deadline_s):
                case Committed(zxid, _, mtime_ms):
                    self.mtime_ms = mtime_ms
                    return self._settled(label, took_effect=False, zxid=zxid)
                case Rejected(_, Code.BAD_VERSION):
                    # A copy of the burn itself may have used the number: the data tells.
                    node = self._read_spent(deadline_s)
                    burnt = node is not None and node.data == BURNT
                    zxid_known = node.mzxid if node else None
                    return self._settled(label, took_effect=not burnt, zxid=zxid_known)
                case Rejected(_, Code.NO_NODE):
                    return self._settled(label, took_effect=None, zxid=None)
                case Rejected(_, code):
                    raise AccessDeniedError(f"{self.path}: settle: got {code.name}")
                case Lost(reason):
                    self._pause(label, reason, 0, deadline_s)

    def _settled(self, label: str, *, took_effect: bool | None, zxid: int | None) -> Settled:
        self.version += 1
        self._doubt = None
        return Settled(label, took_effect, zxid)

    def _spent(self, deadline_s: float) -> int | None:
        """Take note that an earlier copy took effect; its zxid, while a read can still tell."""
        try:
            node = self._read_spent(deadline_s)
        except OutcomeUnknownError:
            node = None  # that it took effect is certain; only its zxid is not
        self.version += 1
        return node.mzxid if node else None

    def _read_spent(self, deadline_s: float) -> Node | None:
        """The ticket just after its current number was used; None if it is gone by now."""
        while True:
            try:
                self._store.sync(self.path, deadline_s)
                (node,) = self._store.read_many([GetData(self.path)], deadline_s).results
            except NoQuorumError as error:
                raise OutcomeUnknownError(f"{self.path}: {error}") from error
            if node is None:
                return None
            assert isinstance(node, Node)
            if node.version > self.version:
                return node
            # A server that lags, in spite of the sync, has not seen it yet.
            self._store.sleep(RESEND_PAUSE_S)
            if self._store.now() >= deadline_s:
                raise OutcomeUnknownError(f"{self.path}: only stale answers before the deadline")

    def _pause(self, label: str, reason: str, attempts: int, deadline_s: float) -> None:
        if self._store.now() < deadline_s and self._store.wait_connected(deadline_s):
            self._store.sleep(min(RESEND_PAUSE_S, max(0.0, deadline_s - self._store.now())))
            if self._store.now() < deadline_s:
                return
        self._doubt = label
        raise OutcomeUnknownError(
            f"{label}: no answer in time after {attempts} attempts ({reason}); "
            "it may have taken effect, or may yet: resolve() can tell"
        )

    def _gone(self, label: str) -> AckUnknownError:
        return AckUnknownError(
            f"{label}: {self.path} is gone and a copy was in doubt; "
            "it took effect before that, or never will"
        )
