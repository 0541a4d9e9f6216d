"""A consumer's registration: its id, its session fence, and what it holds.

Every operation of a consumer starts with a write of `consumers/<id>/active`, an ephemeral node that
its session made. Once the session has ended on the servers, no operation of this consumer takes
effect any more, whatever its process believes.
"""

from collections.abc import Sequence

from zkmq.doubt import Ask, Doubt, Write
from zkmq.errors import (
    AckUnknownError,
    BadArgumentError,
    ConsumerLostError,
    NoQuorumError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
)
from zkmq.taking.held_items import ArrivedItems, OnLost
from zkmq.taking.holding import Apply, Begun, Registration, ended_error, register
from zkmq.tree.item import Item
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import Refused, Ticket, TicketGoneError, TookEffect
from zkmq.zookeeper.request_sizes import MAX_CALL_BYTES
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Delete, Op, Store


class Membership:
    """At most one registration at a time, made when it is first needed. Not thread-safe.

    `ask` is called when a caller asks for the outcome of an operation in doubt; it has to call
    `settle`.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        clock: ServerClock,
        *,
        label: str,
        on_lost: OnLost,
        ask: Ask,
    ) -> None:
        self._store = store
        self._tree = tree
        self._clock = clock
        self._label = label
        self._on_lost = on_lost
        self._ask = ask
        self._registration: Registration | None = None
        self.arrived = ArrivedItems()

    @property
    def id(self) -> str | None:
        """The id of the current registration; None before the first, and between two."""
        registration = self._registration
        return registration.consumer if registration and not registration.ended else None

    def session_ended(self, session: int) -> tuple[str | None, list[str]]:
        """Mark everything held as lost, if it was that session's. May be called from any thread.

        Returns the id of the registration that ended with it, and the names of what it held.
        """
        registration = self._registration
        if registration is None or registration.session != session:
            return None, []
        held = list(registration.held)
        registration.end()
        return registration.consumer, held

    def ready(
        self, deadline_s: float, needed: Sequence[Item] = (), request: str = ""
    ) -> Registration:
        """Return a live registration that holds `needed`, with nothing in doubt.

        An item of `needed` that an earlier copy of the same `request` ended need not be held.

        Raises:
            NotHeldError: an item is not held.
            AckUnknownError: the session ended with the same request in doubt.
            OutcomeUnknownError: the same request is still in doubt.
            NoQuorumError: no answer before the deadline, or another call is still in doubt.
        """
        try:
            self.settle(deadline_s)
        except OutcomeUnknownError as error:
            # Only that call has an unknown outcome, unless this one is the same request.
            if needed and all(item.in_doubt == (request, error.doubt) for item in needed):
                raise
            earlier = error.doubt.label if error.doubt else "call"
            raise NoQuorumError(
                f"{request or 'reserve'}: not sent, an earlier {earlier} is still in doubt"
            ) from error
        self._strike_overdue(deadline_s)
        for item in needed:
            self._require_held(item, request)
        if self.worn and not self.held:
            self.leave(deadline_s)
        if self._registration is None or self._registration.ended:
            self.arrived.clear()
            self._free_old(deadline_s)
            self._registration = register(
                self._store,
                self._tree,
                self._clock,
                label=self._label,
                on_lost=self._on_lost,
                deadline_s=deadline_s,
            )
            if self._registration.session != self._store.session_id:
                # The session ended before this registration existed.
                self._registration.end()
        return self._registration

    @property
    def worn(self) -> bool:
        """Whether the ticket is worn, so that a new registration is due once nothing is held."""
        registration = self._registration
        return registration is not None and not registration.ended and registration.ticket.worn

    def adopt(self, consumer: str, version: int, items: Sequence[Item]) -> None:
        """Continue a registration that another process made in this session."""
        ticket = Ticket(self._store, self._tree.active(consumer), self._clock)
        ticket.version = version
        session = self._store.session_id
        self._registration = Registration(self._store, session, consumer, ticket, self._on_lost)
        self._registration.add(items)

    @property
    def in_doubt(self) -> bool:
        """Whether an operation is under way, or was left without an outcome."""
        registration = self._registration
        return registration is not None and not registration.ended and registration.ticket.in_doubt

    def claim_path(self, item: Item) -> str:
        """The path of an item while it is held."""
        return self._tree.claim(item.consumer, item.name)

    def unclaim(self, item: Item) -> Delete:
        """The operation that ends the hold of an item."""
        return Delete(self.claim_path(item), item.version)

    def commit(
        self,
        label: str,
        ops: Sequence[Op],
        apply: Apply,
        deadline_s: float,
        *,
        count: int,
        ended: Sequence[Item] = (),
        claimed: Sequence[Item] = (),
        request: str = "",
        returns_denial: bool = False,
    ) -> TookEffect | Refused:
        """Do one operation on `count` items, for the registration that `ready` returned.

        Once the operation is known to have taken effect, now or in `settle`, `apply` is called with
        its zxid, and the `claimed` items are kept to be handed out. Until then, the items that
        `request` would have `ended` remember that they are in doubt. The operation is in doubt
        from here on, also if a signal's handler raises. `returns_denial` as for `Ticket.commit`.

        Raises:
            BadArgumentError: one request cannot carry it; nothing was sent.
            ConsumerLostError: the session had ended; nothing took effect.
            AckUnknownError: the session ended with the operation in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        registration = self._registration
        assert registration is not None
        size = self._store.weigh(ops)
        if size > MAX_CALL_BYTES:
            raise BadArgumentError(
                f"{label}: expected at most {MAX_CALL_BYTES} bytes, which one request can carry, "
                f"got {size} for {count} items; hand over fewer at a time"
            )
        ticket, write = registration.ticket, Write(label, count)
        doubt = Doubt([write], self._ask)
        registration.begun = Begun(doubt, apply, claimed)
        for item in ended:
            item.in_doubt = (request, doubt)
        try:
            result = ticket.commit(write, ops, deadline_s, returns_denial=returns_denial)
        except TicketGoneError as error:
            registration.end()
            self._close(ticket, ended)
            raise ConsumerLostError(
                f"{label}: the session of {registration.consumer} has ended; "
                "its items go to other consumers"
            ) from error
        except AckUnknownError as error:
            registration.end()
            write.settle(took_effect=None)
            error.doubt = doubt
            self._close(ticket, ())
            raise
        except OutcomeUnknownError as error:
            error.doubt = doubt
            raise
        except NotAppliedError:
            self._close(ticket, ended)
            raise
        if isinstance(result, TookEffect):
            apply(registration, result.zxid)
            self.arrived.add(claimed)
            write.settle(took_effect=True, zxid=result.zxid)
        ticket.enter(used=isinstance(result, TookEffect))
        self._close(ticket, ended)
        return result

    def _close(self, ticket: Ticket, ended: Sequence[Item]) -> None:
        """End the doubt about the operation and its items."""
        ticket.be_in_doubt(())
        for item in ended:
            item.in_doubt = None

    def not_held(self, item: Item) -> NotHeldError:
        """Note that an item is not held any more though the session lives; return the error."""
        if self._registration is not None:
            self._registration.lose([item])
        return NotHeldError(
            f"{item.name}: expected an item still held; its time to run was over, "
            "or an operator moved it"
        )

    def settle(self, deadline_s: float) -> None:
        """Settle the operation in doubt, if there is one, and give the outcome to its call.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        registration = self._registration
        if registration is None or not registration.ticket.in_doubt:
            return
        begun = registration.begun
        assert begun is not None  # `commit` set it before the ticket was in doubt
        try:
            outcome = registration.ticket.settle(deadline_s)
        except OutcomeUnknownError as error:
            error.doubt = begun.doubt
            raise
        if outcome.took_effect is None:
            registration.end()
        elif outcome.took_effect:
            begun.apply(registration, outcome.zxid)
            self.arrived.add(begun.claimed)
        begun.doubt.settle(took_effect=outcome.took_effect, zxid=outcome.zxid)
        registration.ticket.enter(used=outcome.used)

    def leave(self, deadline_s: float) -> None:
        """Remove an empty registration. If that fails, the janitor does it later."""
        registration, self._registration = self._registration, None
        if registration is None or registration.ended:
            return
        consumer = registration.consumer
        paths = (self._tree.claims(consumer), registration.ticket.path)
        ops = [Delete(path) for path in (*paths, self._tree.consumer(consumer))]
        self._store.commit(ops, deadline_s)

    @property
    def held(self) -> list[Item]:
        """The items that are held now."""
        return list(self._registration.held.values()) if self._registration else []

    def _require_held(self, item: Item, request: str) -> None:
        registration = self._registration
        if registration is not None and registration.held.get(item.name) is item:
            return
        settled = item.settled_by(request)
        if settled is not None and settled.took_effect:
            return
        if (error := ended_error(item, settled)) is not None:
            raise error
        if registration is not None and item.consumer == self.id:
            raise self.not_held(item)
        raise ConsumerLostError(
            f"{item.name}: expected an item held by this consumer; {item.consumer}, which "
            "reserved it, is another, or its session has ended"
        )

    def _strike_overdue(self, deadline_s: float) -> None:
        """Find out which items a janitor took back when their time to run was over."""
        registration = self._registration
        if registration is None or registration.ended:
            return
        if late := registration.overdue():
            claimed = self._store.list(self._tree.claims(registration.consumer), deadline_s) or []
            registration.lose([item for item in late if item.name not in claimed])

    def _free_old(self, deadline_s: float) -> None:
        """Delete the session fence of a worn ticket whose session lives, to free its items."""
        old = self._registration
        if old is not None and old.session == self._store.session_id:
            delete = [Delete(old.ticket.path)]
            commit_idempotent(self._store, "delete", delete, deadline_s, as_good={Code.NO_NODE})
