"""Reserve items: one multi moves them from where they wait to the consumer."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from zkmq import checks
from zkmq.doubt import Settled
from zkmq.errors import (
    AccessDeniedError,
    ConsumerLostError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    ServerRefusedError,
)
from zkmq.taking.finish import DONE, Done, Finisher, ended_before
from zkmq.taking.group_locks import lock_of
from zkmq.taking.head_cache import Candidate, HeadCache
from zkmq.taking.holding import Registration
from zkmq.taking.membership import Membership
from zkmq.taking.moves import Move, fitting
from zkmq.taking.order import Order, RelaxedOrder
from zkmq.taking.undeliverable_items import UndeliverableItems
from zkmq.tree.item import Hold, Item
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import Refused
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.store import Code, Create, Delete, Op, Store

MAX_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reservation:
    """The result of one reserve.

    Attributes:
        items: in the order of the queue; may be fewer than asked for, or none.
        zxid: when the items became this consumer's.
        read_zxid: set if there are no items: the state in which the queue was seen empty. None if
            the servers could not read one state.
        attempts: how often the claim was sent.
        done: the acknowledgement of `done`, if there was one.
        window: in relaxed order, how many items this consumer chose from. In the state it last
            looked at, fewer than this many smaller items waited before each of `items`.
        paused: whether there are no items because the queue is paused.
        looked: whether the queue was looked at. If not, no time was left, or the claim failed after
            the acknowledgement of `done`, and no items says nothing of the queue.
    """

    items: tuple[Item, ...]
    zxid: int | None = None
    read_zxid: int | None = None
    attempts: int = 0
    done: Done | None = None
    window: int = 1
    paused: bool = False
    looked: bool = True


@contextmanager
def acknowledged(acked: Done | None, count: int) -> Iterator[None]:
    """Let a claim in doubt also tell of the acknowledgement before it, of `count` items."""
    try:
        yield
    except OutcomeUnknownError as error:
        if acked is not None and error.doubt is not None:
            known = Settled(DONE, took_effect=True, zxid=acked.zxid, items=count)
            error.doubt = error.doubt.after(known)
        raise


class Reserver:
    """Claims items for one consumer. Not thread-safe."""

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        membership: Membership,
        finisher: Finisher,
        *,
        order: Order,
        is_paused: Callable[[], bool],
        now_ms: Callable[[float], float],
    ) -> None:
        self._store = store
        self._is_paused = is_paused
        self._tree = tree
        self._membership = membership
        self._finisher = finisher
        self._auto = order == "auto"
        self._relaxed_order = None if order == "strict" else RelaxedOrder(store, tree)
        # Whether the current attempt chooses from a window.
        self._chooses = False
        self._window = 1
        self._rng = random.Random()  # noqa: S311 - spreads consumers, protects nothing
        self._locks = finisher.group_locks
        # When a claim last lost a race, on the store's clock.
        self.contended_s = float("-inf")
        # Whether the last claim included the extra operations.
        self.used_extra = False
        self.cache = HeadCache(store, tree, choose=self._choose, count_consumers=self._auto)
        self._undeliverable = UndeliverableItems(
            store, tree, finisher.return_places, self.cache.skips, now_ms
        )

    @property
    def relaxed(self) -> bool:
        """Whether consumers take in relaxed order now, as the last look saw it."""
        alone = self._auto and self.cache.consumers <= 1
        return self._relaxed_order is not None and not alone

    def reserve(
        self, n: int, done: Sequence[Item], *, sync: bool, extra: Sequence[Op], deadline_s: float
    ) -> Reservation:
        """Claim up to `n` items, and acknowledge others in the same multi. Does not wait.

        `extra` operations are part of a claim, and are never sent without one.

        Raises:
            OutcomeUnknownError: no answer before the deadline; items that turn out to be
                claimed come with the next reserve.
            NotHeldError: an item of `done` is not held; nothing took effect.
            NoQuorumError: no answer before the deadline; nothing took effect.
        """
        checks.number("reserve: n", n, 1, MAX_BATCH)
        self.used_extra = False
        self._membership.ready(deadline_s, done, DONE)
        earlier, left = ended_before(done, DONE)
        with acknowledged(earlier, len(done) - len(left)):
            found = self._reserve(n, left, sync=sync, extra=extra, deadline_s=deadline_s)
        return found if found.done or earlier is None else replace(found, done=earlier)

    def _reserve(
        self, n: int, done: Sequence[Item], *, sync: bool, extra: Sequence[Op], deadline_s: float
    ) -> Reservation:
        arrived = self._membership.arrived.held()
        if arrived:
            acked = self._finisher.done(done, deadline_s) if done else None
            return Reservation(arrived, arrived[0].fence, done=acked)
        if sync:
            self._store.sync(self._tree.root, deadline_s)
            self.cache.drop()
        found: Reservation | None = None
        try:
            # A worn registration is replaced only when nothing is held, so acknowledge first.
            found = None if self._membership.worn else self._once(n, done, extra, deadline_s)
        except (AccessDeniedError, ServerRefusedError):
            # What forbids a claim, such as a quota, may allow an acknowledgement, which only
            # deletes, and so makes room.
            if not done:
                raise
        if found is not None:
            return found
        # The acknowledgements must not wait for a race to be won.
        acked = self._finisher.done(done, deadline_s) if done else None
        try:
            with acknowledged(acked, len(done)):
                while found is None and self._store.now() < deadline_s:
                    found = self._once(n, (), extra, deadline_s)
        except NotAppliedError:
            if acked is None:
                raise
            return Reservation((), done=acked, looked=False)
        return replace(found or Reservation((), looked=False), done=acked)

    def _once(
        self, n: int, done: Sequence[Item], extra: Sequence[Op], deadline_s: float
    ) -> Reservation | None:
        """Make one attempt; None if another consumer was faster, or a session ended."""
        try:
            return self._attempt(n, done, extra, deadline_s)
        except BaseException:
            # Items may have left the cache although they are still the head of the queue.
            self.cache.drop()
            raise

    def _attempt(
        self, n: int, done: Sequence[Item], extra: Sequence[Op], deadline_s: float
    ) -> Reservation | None:
        registration = self._membership.ready(deadline_s, done, DONE)
        self._window, self._chooses = 1, self.relaxed
        if self._relaxed_order is not None and self._chooses:
            self._window = self._relaxed_order.window(n, registration.consumer, deadline_s)
        held = (lock_of(item.header) for item in done)
        self.cache.gate.own = frozenset(lock for lock in held if lock is not None)
        try:
            found = self.cache.batch(n, deadline_s, lambda each: self._usable(each, deadline_s))
        except NoQuorumError:
            if done or not self.cache.passed:
                raise
            # The servers did answer. There was more to bury than there was time.
            self.cache.drop()
            return Reservation((), looked=False)
        if self.cache.gate.is_on:
            self._window = 1
        paused = self._is_paused()
        if paused and found:
            self.cache.put_back(found, None)
        if paused or not found:
            acked = self._finisher.done(done, deadline_s) if done else None
            zxid = None if paused else self.cache.zxid
            looked = paused or self.cache.looked
            return Reservation((), read_zxid=zxid, done=acked, paused=paused, looked=looked)
        moves = [Move.to(registration.consumer, candidate, self._tree) for candidate in found]
        acks = [*map(self._membership.unclaim, done), *self._unlocks(done)]
        count = fitting(self._store, self._locks, moves, [*acks, *extra])
        # A claim that is too large alone is refused with the reason.
        count = count if done else max(1, count)
        if count < len(found):
            self.cache.put_back(found[count:], None)
        if not count:  # the acknowledgements fill the request
            return None
        return self._claim(moves[:count], done, extra, deadline_s)

    def _claim(
        self, moves: Sequence[Move], done: Sequence[Item], extra: Sequence[Op], deadline_s: float
    ) -> Reservation | None:
        items = [move.item for move in moves]
        ops: list[Op] = [self._membership.unclaim(item) for item in done]
        for move in moves:
            ops += move.ops
        locks = [op for move in moves for op in move.locks(self._locks)]
        ops += [*self._unlocks(done), *locks]
        claims_end = len(ops)
        ops += extra
        # The answer may come much later, and the times to run do not wait for it.
        began_s = self._store.now()

        def apply(registration: Registration, zxid: int | None) -> None:
            for item in items:
                item.fence = zxid
            registration.remove(done, Hold.DONE)
            registration.add(items, began_s)

        try:
            result = self._membership.commit(
                "reserve",
                ops,
                apply,
                deadline_s,
                count=len(items),
                ended=done,
                claimed=items,
                request=DONE,
                returns_denial=True,
            )
        except ConsumerLostError:
            self.cache.drop()
            if done:
                raise
            return None
        if isinstance(result, Refused):
            if result.index >= claims_end:  # the place in the line ended with its session
                return self._claim(moves, done, (), deadline_s)
            if self._locks.learn(ops[result.index], result.code):
                return self._claim(moves, done, extra, deadline_s)
            self._lose_race(moves, done, ops, result)
            return None
        self.cache.pace(conflict=False)
        self.used_extra = bool(extra)
        acked = Done(result.zxid, result.attempts) if done else None
        return Reservation(tuple(items), result.zxid, None, result.attempts, acked, self._window)

    def _lose_race(
        self, moves: Sequence[Move], done: Sequence[Item], ops: Sequence[Op], result: Refused
    ) -> None:
        """Put the candidates back in the cache, without the one that another consumer took.

        Raises:
            NotHeldError: the refusal is about an item of `done`.
            IncompatibleTreeError: an item of `done` has children.
            AccessDeniedError: this client may not write what is its own, or all clients'.
        """
        if result.index < len(done):
            if result.code in {Code.NOT_EMPTY, Code.NO_AUTH}:
                raise refusal(ops[result.index].path, "done", result.code)
            raise self._membership.not_held(done[result.index])
        self._learn(ops, result)
        claim = (result.index - len(done)) // 2
        if claim < len(moves):
            taken = moves[claim]
        else:  # another consumer holds an item of the group whose lock is there
            path = ops[result.index].path
            taken = next(move for move in moves if self._is_lock(move, path))
        self.cache.put_back([move.candidate for move in moves], taken.ops[1])
        self.cache.pace(conflict=True)
        self.contended_s = self._store.now()

    def _is_lock(self, move: Move, path: str) -> bool:
        return any(op.path == path for op in move.locks(self._locks))

    def _unlocks(self, done: Sequence[Item]) -> list[Op]:
        return self._locks.unlocks(item.header for item in done)

    def _learn(self, ops: Sequence[Op], result: Refused) -> None:
        """Skip an item that no consumer can take. One that another has taken needs no skip."""
        op = ops[result.index]
        segment = op.path.rpartition("/")[0]
        if result.code is Code.NO_AUTH:
            if not isinstance(op, Delete) or not segment.startswith(f"{self._tree.items}/"):
                raise refusal(op.path, "reserve", result.code)
            self.cache.skips.add(segment, "its ACL lets this client take nothing out of it")
            self.cache.drop()  # it offers more of that segment
            return
        if op.path.startswith(self._tree.groups):
            if result.code is Code.NO_NODE:  # a foreign client has deleted the place of locks
                self._store.submit([Create(self._tree.groups)])
            return
        if isinstance(op, Create) and result.code is Code.NODE_EXISTS:
            self.cache.skips.add(ops[result.index + 1].path, f"{op.path} is there already")
        elif isinstance(op, Delete) and result.code is Code.NOT_EMPTY:
            self.cache.skips.add(op.path, "it has children")

    def _choose(self, paths: Sequence[str], n: int, fresh: bool) -> list[str]:  # noqa: FBT001
        gate = self.cache.gate
        if gate.is_on:
            return list(islice((path for path in paths if gate.is_open(path)), n))
        me = self._membership.id
        if self._relaxed_order is None or me is None or not (self._chooses and self.relaxed):
            return list(paths[:n])
        window = paths[: self._window]
        own = self._relaxed_order.own(window, me)[:n]
        if own or not fresh or not window:
            return own
        start = self._rng.randrange(max(1, len(window) - n + 1))
        return list(window[start : start + n])

    def _usable(self, candidate: Candidate, deadline_s: float) -> bool:
        """Whether an item can be delivered, may be by its group, and is not tagged."""
        return (
            self.cache.gate.is_open(candidate.path)
            # First, because one that is held does not expire.
            and not self._undeliverable.is_tagged(candidate.node, deadline_s)
            and self._undeliverable.is_fit(candidate.path, candidate.node, deadline_s)
        )
