"""Operations that take effect at most once, and whose outcome can always be asked for.

A ticket is a node whose version counts the operations of its one writer. Every operation is a
multi that starts with `set_data(ticket, version=v)`: whichever copy of it arrives first uses up
number v, so it can be sent again for as long as no answer came, and BadVersion on a copy says
that another copy took effect. Number v belongs to one message for ever.

A later copy is answered only after the earlier ones were decided, or can no longer arrive: one
session's requests are in order, and ZooKeeper refuses what comes late over an old connection or
for an ended session. So a refusal of the last copy is the refusal of all.

An operation is in doubt from before its first copy is sent until its caller has entered what
became of it. So whatever a signal's handler raises, wherever, the next call finds out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zkmq.doubt import Settled
from zkmq.errors import (
    AckUnknownError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    OutdatedClientError,
)
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import (
    Code,
    Committed,
    GetData,
    Lost,
    Op,
    Pending,
    Rejected,
    Reply,
    SetData,
    Store,
    Znode,
)

BURNT = "burnt"
# Versions are int32. From here on a writer takes a new ticket as soon as it can; at the end
# it has to.
WORN = 2**30
LAST = 2**31 - 1
RESEND_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class TookEffect:
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


class TicketGoneError(Exception):
    """The ticket's node is gone, and no copy of the operation took effect."""


class _At(NamedTuple):
    """How far a ticket is: replaced as a whole, so that no signal comes between its parts."""

    version: int
    # Of each operation in doubt, from that number on: its label, and how many items it has.
    doubts: tuple[tuple[str, int], ...] = ()


class Ticket:
    """One writer's sequence of operations. Not thread-safe.

    `mark` stands in the ticket after the label of each operation, for others to read.
    """

    def __init__(self, store: Store, path: str, clock: ServerClock, *, mark: str = "") -> None:
        self.path = path
        self._at = _At(0)
        self._mark = mark
        self._store = store
        self._clock = clock

    @property
    def version(self) -> int:
        """The number of the next operation, or of the first in doubt."""
        return self._at.version

    @version.setter
    def version(self, version: int) -> None:
        self._at = _At(version)

    @property
    def in_doubt(self) -> bool:
        """Whether it is not entered yet what became of an operation; `settle` first."""
        return bool(self._at.doubts)

    @property
    def doubtful(self) -> list[int]:
        """How many items each operation in doubt has."""
        return [items for _, items in self._at.doubts]

    @property
    def worn(self) -> bool:
        """Whether its writer should take a new one, long before the numbers are used up."""
        return self.version >= WORN

    def submit(self, label: str, ops: Sequence[Op], items: int) -> Pending:
        """Send one copy without waiting, behind those in doubt: for a pipeline.

        Every answer has to be entered, in order; once one is not a success, the operations from
        there on are to be sent again by `commit`.
        """
        version, doubts = self._at
        self._at = _At(version, (*doubts, (label, items)))
        return self._store.submit(self._multi(label, ops, version + len(doubts)))

    def applied(self, reply: Committed) -> TookEffect:
        """What a success means; to be entered."""
        self._clock.note(reply.mtime_ms)
        return TookEffect(reply.zxid, reply.created[1:], 1)

    def enter(self, *, used: bool = True) -> None:
        """Be in doubt about the first operation no more: what became of it is known to all.

        `used` says that its number was used up: by it, or by `settle`.
        """
        version, doubts = self._at
        self._at = _At(version + used, doubts[1:])

    def be_in_doubt(self, label: str, sizes: Sequence[int]) -> None:
        """Be in doubt about these operations, by how many items they have, and no others."""
        self._at = _At(self.version, tuple((label, items) for items in sizes))

    def commit(
        self,
        label: str,
        ops: Sequence[Op],
        deadline_s: float,
        *,
        unsure: bool = False,
        items: int = 1,
    ) -> TookEffect | Refused:
        """Send the first operation in doubt, or a new one, until answered; to be entered.

        `label` is written to the ticket, for people and for `settle`. `unsure` says that a copy
        was sent before and its answer lost. Whatever it raises, the operation stays in doubt.

        Raises:
            OutcomeUnknownError: no answer before the deadline.
            AckUnknownError: the ticket vanished while a copy was in doubt.
            TicketGoneError: the ticket had vanished before, or its numbers are used up.
            NotAppliedError: certainly no copy took effect, or will.
        """
        if not self.in_doubt:
            self.be_in_doubt(label, [items])
        return self._commit(label, ops, deadline_s, unsure=unsure)

    def settle(self, deadline_s: float) -> tuple[Settled, bool]:
        """Find out whether the first operation in doubt took effect; if not, it never will.

        Uses its number up by writing the ticket alone: then either that write or the operation
        had it. To be entered, as the second value says. Asked again before that, it answers the
        same.

        Raises:
            OutcomeUnknownError: no answer before the deadline; ask again.
            AccessDeniedError: the servers refused.
        """
        burn = self._multi(BURNT, [], self.version)
        label = self._at.doubts[0][0]
        while True:
            try:
                reply = self._store.commit(burn, deadline_s)
            except OutdatedClientError:
                # The servers refused the burn for the tree's new charter. They refuse for it
                # every copy that is still on its way, and had the number used by none before.
                return Settled(label, took_effect=False, zxid=None), False
            match reply:
                case Committed(_, _, mtime_ms):
                    self._clock.note(mtime_ms)
                    return Settled(label, took_effect=False, zxid=None), True
                case Rejected(_, Code.BAD_VERSION):
                    # A copy of the burn itself may have used the number: the data tells.
                    return self._read_settled(label, deadline_s), True
                case Rejected(_, Code.NO_NODE):
                    return Settled(label, None, None), False
                case Rejected(_, code, number):
                    raise refusal(self.path, "settle", code, number)
                case Lost():
                    self._wait(label, 0, deadline_s)

    def _commit(
        self, label: str, ops: Sequence[Op], deadline_s: float, *, unsure: bool
    ) -> TookEffect | Refused:
        if self.version >= LAST:
            raise TicketGoneError(self.path)
        multi = self._multi(label, ops, self.version)
        attempts, before = 0, int(unsure)
        while True:
            if unsure:
                self._pause(label, before + attempts, deadline_s)
            reply = self._send(label, multi, deadline_s, unsure=unsure)
            attempts += 1
            match reply:
                case Committed():
                    applied = self.applied(reply)
                    return TookEffect(applied.zxid, applied.created, attempts)
                case Rejected(0, Code.BAD_VERSION) if unsure:
                    return TookEffect(self._spent(deadline_s), None, attempts)
                case Rejected(0, Code.NO_NODE):
                    raise self._gone(label) if unsure else TicketGoneError(self.path)
                case Rejected():
                    return self._refused(label, reply, attempts)
                case Lost():
                    unsure = unsure or reply.sent

    def _multi(self, label: str, ops: Sequence[Op], version: int) -> list[Op]:
        return [SetData(self.path, f"{label}{self._mark}".encode(), version), *ops]

    def _refused(self, label: str, reply: Rejected, attempts: int) -> Refused:
        if reply.code in {Code.NO_AUTH, Code.OTHER}:
            raise refusal(self.path, label, *_why(reply))
        if reply.index == 0:
            raise IncompatibleTreeError(
                f"{self.path}: expected version {self.version}, which only this client writes; "
                f"got {reply.code.name}"
            )
        return Refused(reply.index - 1, reply.code, attempts)

    def _read_settled(self, label: str, deadline_s: float) -> Settled:
        node = self._read_spent(deadline_s)
        burn = f"{BURNT}{self._mark}".encode()
        if node is not None and node.version == self.version + 1 and node.data == burn:
            return Settled(label, took_effect=False, zxid=None)
        return Settled(label, took_effect=True, zxid=self._zxid(node))

    def _spent(self, deadline_s: float) -> int | None:
        """An earlier copy took effect; its zxid, while a read can still tell."""
        try:
            return self._zxid(self._read_spent(deadline_s))
        except OutcomeUnknownError:
            return None  # that it took effect is certain all the same

    def _zxid(self, node: Znode | None) -> int | None:
        known = node is not None and node.version == self.version + 1
        return node.mzxid if node is not None and known else None

    def _read_spent(self, deadline_s: float) -> Znode | None:
        """The ticket after its current number was used; None if it is gone by now."""
        while True:
            try:
                self._store.sync(self.path, deadline_s)
                (node,) = self._store.read_many([GetData(self.path)], deadline_s).results
            except NoQuorumError as error:
                raise OutcomeUnknownError(f"{self.path}: {error}") from error
            if not isinstance(node, Znode):
                return None
            if node.version > self.version:
                return node
            # A server that lags, in spite of the sync, has not seen it yet.
            self._store.sleep(RESEND_PAUSE_S)
            if self._store.now() >= deadline_s:
                raise OutcomeUnknownError(f"{self.path}: only stale answers before the deadline")

    def _send(self, label: str, multi: list[Op], deadline_s: float, *, unsure: bool) -> Reply:
        try:
            reply = self._store.commit(multi, deadline_s)
        except NotAppliedError as error:
            # Outdated: the servers, who say so, would say it of every copy.
            if not unsure or isinstance(error, OutdatedClientError):
                raise
            raise _still_in_doubt(label, error) from error
        match reply:
            case Rejected(0, Code.OTHER) if unsure:
                # Of this copy as such, so that it tells nothing of those before.
                raise _still_in_doubt(label, refusal(self.path, label, *_why(reply)))
            case Lost(reason, False) if not unsure:
                if self._store.now() >= deadline_s or not self._store.wait_connected(deadline_s):
                    raise NoQuorumError(f"{label}: not sent: {reason}")
        return reply

    def _pause(self, label: str, attempts: int, deadline_s: float) -> None:
        try:
            self._wait(label, attempts, deadline_s)
        except NotAppliedError as error:
            raise _still_in_doubt(label, error) from error

    def _wait(self, label: str, attempts: int, deadline_s: float) -> None:
        """Wait until it makes sense to send again."""
        if self._store.now() < deadline_s and self._store.wait_connected(deadline_s):
            self._store.sleep(min(RESEND_PAUSE_S, max(0.0, deadline_s - self._store.now())))
            if self._store.now() < deadline_s:
                return
        raise OutcomeUnknownError(
            f"{label}: no answer in time after {attempts} attempts; "
            "it may have taken effect, or may yet"
        )

    def _gone(self, label: str) -> AckUnknownError:
        return AckUnknownError(
            f"{label}: {self.path} is gone and a copy was in doubt; "
            "it took effect before that, or never will"
        )


def _still_in_doubt(label: str, error: Exception) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"{label}: a copy was in doubt; then: {error}")


def _why(reply: Rejected) -> tuple[Code, int]:
    return reply.code, reply.number
