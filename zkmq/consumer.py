"""Taking: reserve, done and release, each one multi that is fenced by the consumer's session.

Every operation starts by writing `consumers/<id>/active`, an ephemeral node that only this
session made: once the session has ended on the server, nothing of this consumer takes effect any
more, whatever the process believes.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zkmq import envelope, names
from zkmq.errors import (
    AckUnknownError,
    BadArgumentError,
    ConsumerLostError,
    IncompatibleTreeError,
    NoQuorumError,
    NotHeldError,
    OutcomeUnknownError,
)
from zkmq.headcache import Candidate, HeadCache
from zkmq.homes import Homes
from zkmq.item import Hold, Item
from zkmq.store import Code, Committed, Create, Delete, Lost, Op, Rejected, Store
from zkmq.ticket import Applied, Refused, Settled, Ticket, TicketGoneError
from zkmq.tree import Tree

MAX_BATCH = 500
MAX_CLAIM_BYTES = 1_000_000
CLAIM_OVERHEAD_BYTES = 512

OnLost = Callable[[str, Sequence[Item]], None]


@dataclass(frozen=True, slots=True)
class Done:
    """An acknowledgement that took effect exactly once, at `zxid` where that is known."""

    zxid: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one reserve brought.

    Attributes:
        items: in the order of the queue; may be fewer than asked for, or none.
        zxid: when they became this consumer's.
        read_zxid: only without items: the state in which the queue was seen empty. None if the
            servers could not read one state.
        attempts: how often the claim was sent.
        done: the acknowledgement that came with it.
    """

    items: tuple[Item, ...]
    zxid: int | None = None
    read_zxid: int | None = None
    attempts: int = 0
    done: Done | None = None


class Registration:
    """One consumer id: as long as one session, and then never again."""

    def __init__(self, store: Store, tree: Tree, consumer: str, on_lost: OnLost) -> None:
        self.consumer = consumer
        self.session = store.session_id
        self.ticket = Ticket(store, tree.active(consumer))
        self.held: dict[str, Item] = {}
        self.ended = False
        # What to do if the operation in doubt turns out to have taken effect.
        self.if_applied: Callable[[Applied], None] | None = None
        self._on_lost = on_lost
        # Held only for a moment, never across a call to the store.
        self._lock = threading.Lock()

    def add(self, items: Sequence[Item]) -> None:
        """Take note of claimed items; if the session ended meanwhile, they are lost at once."""
        with self._lock:
            self.held.update((item.name, item) for item in items)
            ended = self.ended
        if ended:
            self.end()

    def remove(self, items: Sequence[Item], hold: Hold) -> None:
        """Take note that items are no longer held, and why."""
        with self._lock:
            for item in items:
                item.hold = hold
                self.held.pop(item.name, None)

    def end(self) -> None:
        """The session is over: whatever was held now belongs to others; say so, once."""
        with self._lock:
            self.ended = True
            lost = list(self.held.values())
            self.held.clear()
            for item in lost:
                item.hold = Hold.LOST
        if lost:
            self._on_lost(self.consumer, lost)


class Consumer:
    """At most one registration at a time, made when it is first needed. Not thread-safe."""

    def __init__(self, store: Store, tree: Tree, *, label: str, on_lost: OnLost) -> None:
        self._store = store
        self._tree = tree
        self._label = label
        self._on_lost = on_lost
        self.cache = HeadCache(store, tree)
        self._homes = Homes(store, tree)
        self._registration: Registration | None = None
        # Items of a reserve whose outcome was unknown, and which turned out to be ours.
        self._arrived: list[Item] = []
        self.settled: Settled | None = None

    @property
    def id(self) -> str | None:
        """The current registration; None before the first, and between two."""
        return self._registration.consumer if self._registration else None

    def session_ended(self, session: int) -> None:
        """Called from any thread when a session has ended."""
        registration = self._registration
        if registration is not None and registration.session == session:
            registration.end()

    def reserve(
        self, n: int, done: Sequence[Item], *, sync: bool, deadline_s: float
    ) -> Reservation:
        """Claim up to `n` items, and acknowledge others in the same multi. Does not wait.

        Raises:
            OutcomeUnknownError: no answer before the deadline; items that turn out to be
                claimed come with the next reserve.
            NotHeldError: an item of `done` is not held; nothing took effect.
            NoQuorumError: no answer before the deadline; nothing took effect.
        """
        if not 1 <= n <= MAX_BATCH:
            raise BadArgumentError(f"reserve: n: expected 1 to {MAX_BATCH}, got {n!r}")
        self._ready(deadline_s, done)
        if self._arrived:
            items, self._arrived = tuple(self._arrived), []
            acked = self.done(done, deadline_s) if done else None
            return Reservation(items, items[0].fence, done=acked)
        if sync:
            self._store.sync(self._tree.root, deadline_s)
            self.cache.drop()
        found = self._reserve_once(n, done, deadline_s)
        if found is not None:
            return found
        # The acknowledgements must not wait for a race to be won.
        acked = self.done(done, deadline_s) if done else None
        try:
            while found is None:
                found = self._reserve_once(n, (), deadline_s)
        except NoQuorumError:
            if acked is None:
                raise
            return Reservation((), done=acked)
        return replace(found, done=acked)

    def _reserve_once(self, n: int, done: Sequence[Item], deadline_s: float) -> Reservation | None:
        """One attempt to claim the head; None if another was faster, or a session ended."""
        registration = self._ready(deadline_s, done)
        batch = self.cache.batch(n, deadline_s)
        if not batch:
            acked = self.done(done, deadline_s) if done else None
            return Reservation((), read_zxid=self.cache.zxid, done=acked)
        return self._claim(registration, batch, done, deadline_s)

    def done(self, items: Sequence[Item], deadline_s: float) -> Done:
        """Acknowledge items, all or none: they are removed for ever.

        Raises:
            NotHeldError: one of them is not held; nothing took effect.
            AckUnknownError: the session ended with the operation in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        registration = self._ready(deadline_s, items)
        ops: list[Op] = [self._unclaim(registration, item) for item in items]

        def apply(_: Applied) -> None:
            registration.remove(items, Hold.DONE)

        result = self._commit(registration, "done", ops, apply, deadline_s)
        if isinstance(result, Refused):
            raise self._not_held(registration, items[result.index])
        return Done(result.zxid, result.attempts)

    def release(self, items: Sequence[Item], *, to: str, deadline_s: float) -> Done:
        """Give items back, all or none: to their old place, or to the back of their priority.

        Raises:
            NotHeldError: one of them is not held; nothing took effect.
            AckUnknownError: the session ended with the operation in doubt.
            OutcomeUnknownError: no answer before the deadline.
        """
        registration = self._ready(deadline_s, items)
        build = self._homes.returns if to == "place" else self._homes.to_back
        contents = [(item.name, envelope.wrap(item.data, item.header)) for item in items]

        def apply(_: Applied) -> None:
            registration.remove(items, Hold.RETURNED)

        while True:
            ops: list[Op] = [self._unclaim(registration, item) for item in items]
            ops += build(contents, deadline_s)
            result = self._commit(registration, "release", ops, apply, deadline_s)
            if isinstance(result, Applied):
                return Done(result.zxid, result.attempts)
            if not self._homes.learn(ops[result.index], result.code):
                raise self._not_held(registration, items[result.index])

    def settle(self, deadline_s: float) -> Settled | None:
        """Settle the operation whose outcome is unknown, if there is one.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        registration = self._registration
        if registration is None or not registration.ticket.in_doubt:
            return None
        self.settled = registration.ticket.settle(deadline_s)
        if self.settled.took_effect is None:
            registration.end()
        elif self.settled.took_effect and registration.if_applied:
            registration.if_applied(Applied(self.settled.zxid, None, 0))
        registration.if_applied = None
        return self.settled

    def close(self, deadline_s: float) -> None:
        """Return what is held and remove the registration.

        Raises:
            OutcomeUnknownError: no answer before the deadline; the janitor will do it.
        """
        registration = self._registration
        if registration is None or registration.ended:
            return
        try:
            self.settle(deadline_s)
            if registration.held:
                self.release(list(registration.held.values()), to="place", deadline_s=deadline_s)
            consumer = registration.consumer
            paths = (
                self._tree.claims(consumer),
                self._tree.active(consumer),
                self._tree.consumer(consumer),
            )
            self._store.commit([Delete(path) for path in paths], deadline_s)
        except (NotHeldError, AckUnknownError):
            return  # the session ended first, and the janitor does the same
        finally:
            self._registration = None

    def _ready(self, deadline_s: float, needed: Sequence[Item]) -> Registration:
        """A live registration that holds `needed`, with nothing in doubt."""
        self.settle(deadline_s)
        for item in needed:
            self._demand_held(item)
        if self._registration is None or self._registration.ended:
            self._arrived.clear()
            self._registration = self._register(deadline_s)
        return self._registration

    def _demand_held(self, item: Item) -> None:
        registration = self._registration
        if registration is not None and registration.held.get(item.name) is item:
            return
        if item.hold is Hold.LOST or (registration and item.consumer != registration.consumer):
            raise ConsumerLostError(
                f"{item.name}: expected an item held by this consumer; the session that "
                f"reserved it as {item.consumer} has ended"
            )
        raise NotHeldError(f"{item.name}: expected an item still held, got one {item.hold.value}")

    def _register(self, deadline_s: float) -> Registration:
        consumer = f"consumer-{secrets.token_hex(8)}"
        ops = [
            Create(self._tree.consumer(consumer), self._label.encode()),
            Create(self._tree.active(consumer), ephemeral=True),
            Create(self._tree.claims(consumer)),
        ]
        previous = self._registration
        if previous is not None:
            # A session that was only silent may still live: then this frees its items.
            self._store.submit([Delete(previous.ticket.path)])
        while True:
            match self._store.commit(ops, deadline_s):
                case Committed() | Rejected(0, Code.NODE_EXISTS):
                    return Registration(self._store, self._tree, consumer, self._on_lost)
                case Rejected(_, code):
                    raise IncompatibleTreeError(f"{ops[0].path}: create: got {code.name}")
                case Lost(reason):
                    if self._store.now() >= deadline_s or not self._store.wait_connected(
                        deadline_s
                    ):
                        raise NoQuorumError(f"register: no answer in time ({reason})")

    def _claim(
        self,
        registration: Registration,
        batch: Sequence[Candidate],
        done: Sequence[Item],
        deadline_s: float,
    ) -> Reservation | None:
        """One multi; None if an item was taken meanwhile, or the session has ended."""
        batch = self._that_fit(batch)
        items = [_claimed(registration.consumer, candidate) for candidate in batch]
        ops: list[Op] = [self._unclaim(registration, item) for item in done]
        for candidate, item in zip(batch, items, strict=True):
            ops += [
                Create(
                    self._tree.claim(registration.consumer, item.name),
                    envelope.wrap(item.data, item.header),
                ),
                Delete(candidate.path, candidate.node.version),
            ]

        def apply(applied: Applied) -> None:
            for item in items:
                item.fence = applied.zxid
            registration.remove(done, Hold.DONE)
            registration.add(items)
            if applied.attempts == 0:
                self._arrived += items

        try:
            result = self._commit(registration, "reserve", ops, apply, deadline_s)
        except ConsumerLostError:
            if done:
                raise
            return None
        if isinstance(result, Refused):
            if result.index < len(done):
                raise self._not_held(registration, done[result.index])
            self.cache.put_back(batch, ops[result.index])
            return None
        acked = Done(result.zxid, result.attempts) if done else None
        return Reservation(tuple(items), result.zxid, None, result.attempts, acked)

    def _that_fit(self, batch: Sequence[Candidate]) -> Sequence[Candidate]:
        size = 0
        for count, candidate in enumerate(batch):
            size += len(candidate.node.data) + CLAIM_OVERHEAD_BYTES
            if size > MAX_CLAIM_BYTES and count:
                self.cache.put_back(batch[count:], None)
                return batch[:count]
        return batch

    def _commit(
        self,
        registration: Registration,
        label: str,
        ops: Sequence[Op],
        apply: Callable[[Applied], None],
        deadline_s: float,
    ) -> Applied | Refused:
        try:
            result = registration.ticket.commit(label, ops, deadline_s)
        except TicketGoneError as error:
            registration.end()
            raise ConsumerLostError(
                f"{label}: the session of {registration.consumer} has ended; "
                "its items go to other consumers"
            ) from error
        except AckUnknownError:
            registration.end()
            raise
        except OutcomeUnknownError:
            registration.if_applied = apply
            raise
        if isinstance(result, Applied):
            apply(result)
        return result

    def _unclaim(self, registration: Registration, item: Item) -> Delete:
        return Delete(self._tree.claim(registration.consumer, item.name), item.version)

    def _not_held(self, registration: Registration, item: Item) -> NotHeldError:
        registration.remove([item], Hold.LOST)
        return NotHeldError(
            f"{item.name}: expected an item still held; its time to run was over, "
            "or an operator moved it"
        )


def _claimed(consumer: str, candidate: Candidate) -> Item:
    header, payload = envelope.unwrap(candidate.node.data)
    header["deliveries"] = int(header.get("deliveries", 0)) + 1
    header.setdefault("put_zxid", candidate.node.czxid)
    name = candidate.name
    assert names.parse(name) is not None
    return Item(
        payload, name, consumer, header["deliveries"], None, header["put_zxid"], header=header
    )
