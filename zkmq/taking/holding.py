"""One registration of a consumer: how it is made, what it holds, and for how long."""

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from zkmq.doubt import Doubt, Settled
from zkmq.errors import AckUnknownError, NoQuorumError, NotHeldError
from zkmq.taking.held_items import HeldItems, OnLost
from zkmq.tree.item import Hold, Item
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.retries import may_retry
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Committed, Create, Lost, Rejected, Store

# How often to see whether items whose time to run is over are still held.
LOOK_AGAIN_S = 1.0
Apply = Callable[["Registration", int | None], None]


class Begun(NamedTuple):
    """An operation that was begun, and what to do if it turns out to have taken effect.

    `apply` may be called more than once, to the same effect.
    """

    doubt: Doubt
    apply: Apply
    claimed: Sequence[Item]


class Registration(HeldItems):
    """One consumer id: as long as one session, and then never again."""

    def __init__(
        self, store: Store, session: int | None, consumer: str, ticket: Ticket, on_lost: OnLost
    ) -> None:
        super().__init__(lambda items: on_lost(consumer, items))
        self.consumer = consumer
        self.session = session
        self.ticket = ticket
        # When to see next whether items were taken back for their time to run.
        self.due_s = float("inf")
        self._store = store
        # The last operation; whether it is in doubt, the ticket says.
        self.begun: Begun | None = None

    def add(self, items: Sequence[Item], since_s: float | None = None) -> None:
        """Add items that were claimed not before `since_s`; None is now.

        If the session has ended since the claim, they are lost at once.
        """
        for item in items:
            item.run_from(self._store.now() if since_s is None else since_s)
            self.due_s = min(self.due_s, item.due_s)
        super().add(items)

    def overdue(self) -> list[Item]:
        """Return the items that have been held for longer than their time to run."""
        now_s = self._store.now()
        if now_s < self.due_s:
            return []
        with self._lock:
            held = list(self.held.values())
        late = [item for item in held if item.due_s <= now_s]
        self.due_s = min((item.due_s for item in held if item.due_s > now_s), default=float("inf"))
        if late:
            self.due_s = min(self.due_s, now_s + LOOK_AGAIN_S)
        return late


def register(
    store: Store,
    tree: QueueTree,
    clock: ServerClock,
    *,
    label: str,
    on_lost: OnLost,
    deadline_s: float,
) -> Registration:
    """Make the nodes of a new consumer in the present session, `label` in the first of them.

    Raises:
        NoQuorumError: no answer before the deadline.
        AccessDeniedError, ServerRefusedError: the servers refused.
    """
    consumer = f"consumer-{secrets.token_hex(8)}"
    active = tree.active(consumer)
    ops = [
        Create(tree.consumer(consumer), label.encode()),
        Create(active, ephemeral=True),
        Create(tree.claims(consumer)),
    ]
    while True:
        session = store.session_id
        match store.commit(ops, deadline_s):
            case Committed() | Rejected(0, Code.NODE_EXISTS):
                if session is None or session != store.session_id:
                    # The session before or after this moment made the node.
                    node = store.exists(active, deadline_s)
                    session = None if node is None else node.owner
                ticket = Ticket(store, active, clock)
                return Registration(store, session, consumer, ticket, on_lost)
            case Rejected(_, code, number):
                raise refusal(ops[0].path, "create", code, number)
            case Lost(reason):
                if not may_retry(store, deadline_s):
                    raise NoQuorumError(f"register: no answer in time ({reason})")


def ended_error(item: Item, settled: Settled | None) -> NotHeldError | AckUnknownError | None:
    """Return the error for an item whose hold has ended, or may have; None for any other.

    `settled` is the outcome of an earlier copy of the request, if that was in doubt.
    """
    if settled is not None and settled.took_effect is None:
        error = AckUnknownError(
            f"{item.name}: the session ended with an earlier {settled.label} in doubt; "
            "it took effect before that, or never will"
        )
        error.doubt = Doubt.for_ever(settled.label, settled.items)
        return error
    if item.hold in {Hold.DONE, Hold.RETURNED}:
        return NotHeldError(f"{item.name}: expected an item still held, got one {item.hold.value}")
    return None
