"""Operations that take effect at most once, and whose outcome can be found out later.

A ticket is a node whose version counts the operations of its one writer. Every operation is a
multi that starts with `set_data(ticket, version=v)`. The first copy that arrives uses up version
v. So the writer can resend the multi until it is answered, and BadVersion in an answer to a later
copy says that an earlier copy took effect. No other operation ever has version v.

A server answers a later copy only when all earlier ones are decided or can no longer arrive:
ZooKeeper processes the requests of one session in order, and refuses requests that arrive late on
an old connection or for an ended session. So a refusal of the last copy is a refusal of all.

An operation is in doubt from before its first copy is sent until its caller calls `enter`. If a
signal's handler raises in between, the next call therefore knows that it has to `settle` first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zkmq.doubt import Write
from zkmq.errors import (
    AckUnknownError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    OutdatedClientError,
    ZkmqError,
)
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.retries import may_retry
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
# Labels are padded to one length. Where a quota is used up, servers also refuse a shorter value.
LABEL_WIDTH = 7
# Versions are int32. From WORN on, a writer takes a new ticket when it can; at LAST it has to.
WORN = 2**30
LAST = 2**31 - 1
RESEND_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class TookEffect:
    """The operation took effect, once.

    `zxid` and `created` are None if the reply that had them was lost. `created` is about the
    operations after the ticket.
    """

    zxid: int | None
    created: Sequence[str | None] | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation took no effect and used no version. `index` counts from after the ticket."""

    index: int
    code: Code
    attempts: int


class Outcome(NamedTuple):
    """What `settle` found out. `took_effect` is None if that can never be known."""

    took_effect: bool | None
    zxid: int | None = None
    # Whether the version is used up, for `enter`.
    used: bool = True


class TicketGoneError(Exception):
    """The ticket was deleted or is used up, and no copy of the operation took effect."""


class _At(NamedTuple):
    """A ticket's progress. It is replaced as a whole, so that no signal comes between its parts."""

    version: int
    # The operations in doubt: the first has that version, the next one the next.
    doubts: tuple[Write, ...] = ()
    # Whether a burn of that version was sent, and not entered.
    burning: bool = False


class Ticket:
    """One writer's sequence of operations. Not thread-safe.

    `mark` is written to the ticket after the label of each operation, for other clients to read.
    """

    def __init__(self, store: Store, path: str, clock: ServerClock, *, mark: str = "") -> None:
        self.path = path
        self._at = _At(0)
        self._mark = mark
        self._store = store
        self._clock = clock

    @property
    def version(self) -> int:
        """The version that the next operation, or the first in doubt, uses."""
        return self._at.version

    @version.setter
    def version(self, version: int) -> None:
        self._at = _At(version)

    @property
    def in_doubt(self) -> bool:
        """Whether the outcome of an operation is not entered yet. Call `settle` before the next."""
        return bool(self._at.doubts)

    @property
    def doubtful(self) -> tuple[Write, ...]:
        """The operations in doubt, in order."""
        return self._at.doubts

    @property
    def worn(self) -> bool:
        """Whether the writer should take a new ticket; long before the versions are used up."""
        return self.version >= WORN

    def submit(self, write: Write, ops: Sequence[Op]) -> Pending:
        """Send one copy after those in doubt, without waiting, for a pipeline.

        The caller enters every answer, in order. From the first answer that is no success, the
        caller sends that operation and the later ones again with `commit`.
        """
        version, doubts, _ = self._at
        self._at = _At(version, (*doubts, write))
        return self._store.submit(self._multi(write.label, ops, version + len(doubts)))

    def applied(self, reply: Committed) -> TookEffect:
        """Turn a success into an outcome, which the caller then enters."""
        self._clock.note(reply.mtime_ms)
        return TookEffect(reply.zxid, reply.created[1:], 1)

    def enter(self, *, used: bool = True) -> None:
        """End the doubt about the first operation: its `Write` has the outcome.

        `used` says whether its version was used up, by the operation or by `settle`.
        """
        version, doubts, _ = self._at
        self._at = _At(version + used, doubts[1:])

    def be_in_doubt(self, writes: Iterable[Write]) -> None:
        """Replace the operations in doubt."""
        self._at = _At(self.version, tuple(writes))

    def commit(
        self,
        write: Write,
        ops: Sequence[Op],
        deadline_s: float,
        *,
        unsure: bool = False,
        returns_denial: bool = False,
    ) -> TookEffect | Refused:
        """Send the first operation in doubt, or a new one, until answered. The caller enters it.

        Its label is written to the ticket, for people. `unsure` says that an earlier copy was sent
        and not answered. `returns_denial` is for a caller that can do without a node whose ACL
        refuses an operation: then that is returned, as any other refusal. Whatever this raises, the
        operation stays in doubt.

        Raises:
            OutcomeUnknownError: no answer before the deadline.
            AckUnknownError: the ticket was deleted while a copy was in doubt.
            TicketGoneError: the ticket was deleted before, or its versions are used up.
            NotAppliedError: certainly no copy took effect, or will.
        """
        if not self.in_doubt:
            self.be_in_doubt([write])
        result = self._commit(write.label, ops, deadline_s, unsure=unsure)
        if isinstance(result, Refused) and result.code is Code.NO_AUTH and not returns_denial:
            raise refusal(ops[result.index].path, write.label, result.code)
        return result

    def settle(self, deadline_s: float) -> Outcome:
        """Find out whether the first operation in doubt took effect; if not, it never will.

        Burns its version with a write of the ticket alone. Then either that write or the operation
        used the version. Until the caller enters it, `settle` answers the same again.

        Raises:
            OutcomeUnknownError: no answer before the deadline; call again.
            AccessDeniedError: the servers refused the credentials.
            ServerRefusedError: the servers refused by a rule of their own.
        """
        burn = self._multi(BURNT, [], self.version)
        label = self._at.doubts[0].label
        burning = self._at.burning
        self._at = self._at._replace(burning=True)
        while True:
            try:
                reply = self._store.commit(burn, deadline_s)
            except OutdatedClientError:
                # The servers refused the burn because of the tree's new charter. So no copy used
                # the version before, and they refuse every copy that is still on its way.
                return Outcome(took_effect=False, used=False)
            match reply:
                case Committed(_, _, mtime_ms):
                    self._clock.note(mtime_ms)
                    return Outcome(took_effect=False)
                case Rejected(_, Code.BAD_VERSION):
                    # A copy of the burn itself may have used the version. The data tells which.
                    return self._read_outcome(deadline_s, burning=burning)
                case Rejected(_, Code.NO_NODE):
                    return Outcome(took_effect=None, used=False)
                case Rejected(_, code, number):
                    raise refusal(self.path, "settle", code, number)
                case Lost():
                    burning = burning or reply.sent
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
        return [SetData(self.path, self._data(label), version), *ops]

    def _data(self, label: str) -> bytes:
        return f"{label:<{LABEL_WIDTH}}{self._mark}".encode()

    def _refused(self, label: str, reply: Rejected, attempts: int) -> Refused:
        if reply.code is Code.OTHER or (reply.code is Code.NO_AUTH and reply.index == 0):
            raise refusal(self.path, label, *_why(reply))
        if reply.index == 0:
            raise IncompatibleTreeError(
                f"{self.path}: expected version {self.version}, which only this client writes; "
                f"got {reply.code.name}"
            )
        return Refused(reply.index - 1, reply.code, attempts)

    def _read_outcome(self, deadline_s: float, *, burning: bool) -> Outcome:
        """Who used the version; `burning` says that it may have been an earlier burn."""
        node = self._read_spent(deadline_s)
        if node is None and burning:
            return Outcome(took_effect=None, used=False)
        is_burn = node is not None and node.data == self._data(BURNT)
        if node is not None and node.version == self.version + 1 and is_burn:
            return Outcome(took_effect=False)
        return Outcome(took_effect=True, zxid=self._zxid(node))

    def _spent(self, deadline_s: float) -> int | None:
        """The zxid of an earlier copy that took effect; None if no read can tell it any more.

        Never raises: what keeps it from reading, such as another thread's close, is no reason to
        say that nothing took effect.
        """
        try:
            return self._zxid(self._read_spent(deadline_s))
        except ZkmqError:
            return None

    def _zxid(self, node: Znode | None) -> int | None:
        known = node is not None and node.version == self.version + 1
        return node.mzxid if node is not None and known else None

    def _read_spent(self, deadline_s: float) -> Znode | None:
        """Read the ticket once its current version is used; None if it was deleted."""
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
            # This server lags behind, in spite of the sync.
            self._store.sleep(RESEND_PAUSE_S)
            if self._store.now() >= deadline_s:
                raise OutcomeUnknownError(f"{self.path}: only stale answers before the deadline")

    def _send(self, label: str, multi: list[Op], deadline_s: float, *, unsure: bool) -> Reply:
        try:
            reply = self._store.commit(multi, deadline_s)
        except NotAppliedError as error:
            # If the client is outdated, the servers refuse every copy for the same reason.
            if not unsure or isinstance(error, OutdatedClientError):
                raise
            raise _still_in_doubt(label, error) from error
        match reply:
            case Rejected(0, Code.OTHER | Code.NO_AUTH) if unsure:
                # The servers refused this copy before they looked at the ticket's version. That
                # says nothing about earlier copies.
                raise _still_in_doubt(label, refusal(self.path, label, *_why(reply)))
            case Lost(reason, False) if not unsure:
                if not may_retry(self._store, deadline_s):
                    raise NoQuorumError(f"{label}: not sent: {reason}")
        return reply

    def _pause(self, label: str, attempts: int, deadline_s: float) -> None:
        try:
            self._wait(label, attempts, deadline_s)
        except NotAppliedError as error:
            raise _still_in_doubt(label, error) from error

    def _wait(self, label: str, attempts: int, deadline_s: float) -> None:
        """Wait for a connection and a short pause before the next copy.

        Raises:
            OutcomeUnknownError: the deadline has passed.
        """
        if may_retry(self._store, deadline_s):
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
