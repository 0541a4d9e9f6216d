"""Putting: every put is one multi that takes effect at most once, however often it is sent."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from zkmq import envelope, names
from zkmq.errors import (
    BadArgumentError,
    BadPriorityError,
    ClosedError,
    IncompatibleTreeError,
    NoQuorumError,
    ValueTooLargeError,
)
from zkmq.homes import append
from zkmq.store import (
    Check,
    Code,
    Committed,
    Create,
    GetData,
    Lost,
    Node,
    Op,
    Rejected,
    SetData,
    Store,
)
from zkmq.ticket import Refused, Settled, Ticket, TicketGoneError
from zkmq.tree import NO_SEGMENT, Guard, Tree

SEGMENT_ITEMS = 1000
# A request may have 1,048,575 bytes; the rest is for paths, headers and the claim that follows.
MAX_VALUE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Put:
    """A put that took effect exactly once.

    Attributes:
        name: the item's name; None when the reply that named it was lost.
        zxid: when it took effect; None when the reply was lost and later puts have hidden it.
        attempts: how often it was sent.
    """

    name: str | None
    zxid: int | None
    attempts: int


def checked_priority(priority: int) -> int:
    """Return the priority if it is one.

    Raises:
        BadPriorityError: it is not an integer from 0 to 999.
    """
    if type(priority) is not int or not 0 <= priority <= names.MAX_PRIORITY:
        raise BadPriorityError(priority)
    return priority


def checked_data(data: bytes) -> bytes:
    """Return the data if one request can carry it.

    Raises:
        BadArgumentError: it is not bytes.
        ValueTooLargeError: it is too long.
    """
    if not isinstance(data, bytes):
        raise BadArgumentError(f"put: data: expected bytes, got {type(data).__name__}")
    if len(data) > MAX_VALUE_BYTES:
        raise ValueTooLargeError(len(data), MAX_VALUE_BYTES)
    return data


class Producer:
    """One ticket, made at the first put. Not thread-safe."""

    def __init__(self, store: Store, tree: Tree, *, segment_items: int = SEGMENT_ITEMS) -> None:
        self.id = f"producer-{secrets.token_hex(8)}"
        self._store = store
        self._tree = tree
        self._segment_items = segment_items
        self._ticket: Ticket | None = None
        self._guards: dict[int, Guard] = {}
        self.settled: Settled | None = None

    def put(self, data: bytes, priority: int, deadline_s: float) -> Put:
        """Append one item.

        Raises:
            OutcomeUnknownError: no answer before the deadline; `settle` can tell later.
            NoQuorumError: nothing was sent that could append it.
        """
        envelope_bytes = envelope.wrap(checked_data(data))
        checked_priority(priority)
        self.settle(deadline_s)
        attempts = 0
        while True:
            guard = self._guard(priority, deadline_s)
            ops: list[Op] = [
                Check(self._tree.priority(priority), guard.version),
                append(self._tree, priority, guard, envelope_bytes),
            ]
            try:
                result = self._ready_ticket(deadline_s).commit("put", ops, deadline_s)
            except TicketGoneError:
                self._new_ticket()
                continue
            attempts += result.attempts
            if isinstance(result, Refused):
                self._forget(priority, result, deadline_s)
                continue
            name = _name(result.created)
            self._roll_if_full(priority, guard, name, deadline_s)
            return Put(name, result.zxid, attempts)

    def settle(self, deadline_s: float) -> Settled | None:
        """Settle the put whose outcome is unknown, if there is one; keep the answer in `settled`.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        if self._ticket is None or not self._ticket.in_doubt:
            return None
        self.settled = self._ticket.settle(deadline_s)
        if self.settled.took_effect is None:
            self._new_ticket()
        return self.settled

    def _new_ticket(self) -> None:
        self.id = f"producer-{secrets.token_hex(8)}"
        self._ticket = None

    def _ready_ticket(self, deadline_s: float) -> Ticket:
        if self._ticket is None:
            path = f"{self._tree.producers}/{self.id}"
            create_once(self._store, path, b"", deadline_s)
            self._ticket = Ticket(self._store, path)
        return self._ticket

    def _guard(self, priority: int, deadline_s: float) -> Guard:
        guard = self._guards.get(priority)
        if guard is None:
            guard = read_guard(self._store, self._tree, priority, deadline_s)
            if guard is None:
                make_priority(self._store, self._tree, priority, deadline_s)
                guard = Guard(0)
            self._guards[priority] = guard
        return guard

    def _forget(self, priority: int, refused: Refused, deadline_s: float) -> None:
        """Drop the guard that was refused; what a lagging server would repeat, sync past."""
        self._guards.pop(priority, None)
        if self._store.now() >= deadline_s:
            raise NoQuorumError(f"put: the tail kept moving until the deadline ({refused.code})")
        self._store.sync(self._tree.items, deadline_s)

    def _roll_if_full(
        self, priority: int, guard: Guard, name: str | None, deadline_s: float
    ) -> None:
        parsed = names.parse(name) if name else None
        if parsed is None or parsed.number < self._segment_items - 1:
            return
        self._guards.pop(priority, None)
        with contextlib.suppress(ClosedError):  # the put itself has taken effect
            roll(self._store, self._tree, priority, guard, deadline_s)


def _name(created: Sequence[str | None] | None) -> str | None:
    path = created[-1] if created else None
    return path.rpartition("/")[2] if path else None


def create_once(store: Store, path: str, data: bytes, deadline_s: float) -> None:
    """Create a node whose random name nobody else uses, sending until answered.

    Raises:
        NoQuorumError: no answer before the deadline; the node may exist, which does no harm.
    """
    while True:
        match store.commit([Create(path, data)], deadline_s):
            case Committed() | Rejected(_, Code.NODE_EXISTS):
                return
            case Rejected(_, code):
                raise IncompatibleTreeError(f"{path}: create: got {code.name}")
            case Lost(reason):
                if store.now() >= deadline_s or not store.wait_connected(deadline_s):
                    raise NoQuorumError(f"{path}: no answer in time ({reason})")


def read_guard(store: Store, tree: Tree, priority: int, deadline_s: float) -> Guard | None:
    """The guard of a priority; None if it was never used."""
    (node,) = store.read_many([GetData(tree.priority(priority))], deadline_s).results
    return Guard.decode(node.data, node.version) if isinstance(node, Node) else None


def make_priority(store: Store, tree: Tree, priority: int, deadline_s: float) -> None:
    """Make a priority and its first segment; someone else having done so is as good."""
    guard = Guard(0, NO_SEGMENT)
    store.commit(
        [
            Create(tree.priority(priority), guard.encode()),
            Create(tree.segment(priority, guard.tail_name)),
        ],
        deadline_s,
    )


def roll(store: Store, tree: Tree, priority: int, guard: Guard, deadline_s: float) -> None:
    """Move the tail to a new segment; whoever else did it, or does it later, is as good."""
    moved = Guard(guard.tail + 1, guard.purged)
    store.commit(
        [
            Create(tree.segment(priority, moved.tail_name)),
            SetData(tree.priority(priority), moved.encode(), guard.version),
        ],
        deadline_s,
    )
