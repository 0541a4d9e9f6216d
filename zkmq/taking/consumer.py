"""The consumer of one client: its threads share one registration and one place in the line."""

import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from zkmq import checks, events
from zkmq.doubt import Doubt
from zkmq.errors import (
    AccessDeniedError,
    ClosedError,
    IncompatibleTreeError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    OutdatedClientError,
    ServerRefusedError,
    ZkmqError,
)
from zkmq.taking.finish import Done, Finisher
from zkmq.taking.held_items import OnLost
from zkmq.taking.membership import Membership
from zkmq.taking.order import Order
from zkmq.taking.reserve import Reservation, Reserver, acknowledged
from zkmq.taking.waiting import LOOK_AGAIN_S, WaitingLine
from zkmq.tree.item import Item
from zkmq.tree.paths import QueueTree
from zkmq.tree.redelivery_policy import RedeliveryPolicy, uncounted
from zkmq.zookeeper.call_lock import CallLock
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Store

CONTENDED_S = 1.0

log = logging.getLogger("zkmq")
Answer = TypeVar("Answer")
GiveUp = Callable[[], bool]


def never() -> bool:
    """Never give up: wait for the whole timeout."""
    return False


class Consumer:
    """Reserves items, and ends what it holds. Thread-safe.

    While `is_paused`, by the last look at the queue, it takes none. `deadline` returns the deadline
    of a call that begins now. `about` is the client's announcement
    (`zkmq.tree.compatibility.registrations`). The methods raise what the methods of `Queue` raise.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        policy: RedeliveryPolicy,
        *,
        order: Order,
        segment_items: int,
        deadline: Callable[[], float],
        about: dict[str, Any],
        on_lost: OnLost,
        is_paused: Callable[[], bool] = never,
    ) -> None:
        self._store = store
        self._deadline = deadline
        self._closed = False
        self.policy = policy
        # Called in this order.
        self.lost_listeners = [on_lost]
        self._lock = CallLock(store.now)
        self._waiting = CallLock(store.now)
        clock = ServerClock(store, tree.place("dedup"))
        self.membership = Membership(
            store,
            tree,
            clock,
            label=policy.encode(**about),
            on_lost=self._tell_lost,
            ask=self._settle,
        )
        self._finisher = Finisher(
            store, tree, self.membership, clock, policy, segment_items=segment_items
        )
        self.reserver = Reserver(
            store,
            tree,
            self.membership,
            self._finisher,
            order=order,
            is_paused=is_paused,
            now_ms=lambda deadline_s: clock.now_ms(
                tree.active(self.membership.id or ""), deadline_s
            ),
        )
        self._line = WaitingLine(store, tree)
        self._tree = tree
        self.forget = store.on_session_lost(self._session_ended)

    def reserve(
        self, n: int, *, timeout_s: float, done: Sequence[Item], sync: bool, give_up: GiveUp = never
    ) -> Reservation:
        """Take up to `n` items; wait `timeout_s` for the first. Acknowledge `done` at once.

        After each look that finds nothing, and after `wake`, `give_up` ends the wait.
        """
        taken: list[Item] = []
        try:
            return self._reserve(
                n, taken, timeout_s=timeout_s, done=done, sync=sync, give_up=give_up
            )
        except BaseException:
            # A signal's handler raised, so the caller did not get them. The next reserve does.
            self.membership.arrived.add(taken)
            raise

    def settle(self) -> None:
        """Settle an operation in doubt. Items that it claimed are in `membership.arrived` then."""
        if self.membership.in_doubt:
            self._in_turn(self.membership.settle)

    def wake(self) -> None:
        """Let a call that waits for items look again, from any thread."""
        self._line.wake()

    def _reserve(
        self,
        n: int,
        taken: list[Item],
        *,
        timeout_s: float,
        done: Sequence[Item],
        sync: bool,
        give_up: GiveUp,
    ) -> Reservation:
        until_s = self._store.now() + timeout_s
        # Of the whole call, also if a look begins after a wait that was slow to end.
        most_s = self._deadline() + timeout_s
        acked: Done | None = None
        try:
            while True:
                left = () if acked else list(done)
                with acknowledged(acked, len(done)):
                    found = self._look(n, left, taken, sync=sync, most_s=most_s)
                acked = acked or found.done
                if found.items or self._store.now() >= until_s or give_up():
                    return replace(found, done=acked)
                self._wait(until_s, give_up, most_s)
                if give_up():
                    return replace(found, done=acked)
        except NotAppliedError:
            if acked is None:
                raise
            # The acknowledgement did take effect.
            return Reservation((), done=acked, looked=False)
        finally:
            self._leave_line()

    def done(self, items: Sequence[Item]) -> Done:
        """Acknowledge items, all or none: they are removed for ever."""
        return self._end(self._finisher.done, items)

    def release(self, items: Sequence[Item], *, delay_s: float, to: str) -> Done:
        """Give items back, all or none: to their "place", or to the "back" of their priority."""
        return self._end(self._finisher.release, items, delay_s=delay_s, to=to)

    def touch(self, items: Sequence[Item]) -> Done:
        """Start the time to run of the items again."""
        return self._end(self._finisher.touch, items)

    def bury(self, items: Sequence[Item], *, reason: str) -> Done:
        """Put items aside as dead letters, all or none."""
        return self._end(self._finisher.bury, items, reason=reason)

    def close(self, deadline_s: float) -> None:
        """Give back what is held, and remove the registration. Later calls have no effect."""
        self._closed = True
        self._line.wake()
        self._lock.run(deadline_s, lambda: self._give_back_all(deadline_s))

    def _session_ended(self, session: int) -> None:
        """Tell of a session that has ended, or may have, and mark what it held as lost."""
        consumer, held = self.membership.session_ended(session)
        said = f"; {consumer} held {events.shown(held)}" if consumer else ""
        events.tell(
            events.SESSION_LOST,
            self._tree.root,
            f"session {session:#x} has ended{said}",
            session=f"{session:#x}",
            consumer=consumer,
            **events.items_of(held),
        )

    def _tell_lost(self, consumer: str, items: Sequence[Item]) -> None:
        for listener in list(self.lost_listeners):
            try:
                listener(consumer, items)
            except Exception:
                log.exception("lost: failed for items of %s", consumer)

    def _give_back_all(self, deadline_s: float) -> None:
        self._line.leave(done=False)
        self.membership.settle(deadline_s)
        # What no caller got was not delivered.
        with uncounted(self.membership.arrived.held()):
            self._release_all(deadline_s)
        self.membership.leave(deadline_s)

    def _release_all(self, deadline_s: float) -> None:
        """Give back what is held, but for items that cannot go back."""
        stuck: set[str] = set()
        most = len(self.membership.held)
        while left := [item for item in self.membership.held if item.name not in stuck]:
            part = self._finisher.that_fit(left)[:most]
            try:
                self._finisher.release(part, delay_s=0.0, to="place", deadline_s=deadline_s)
            except NotHeldError:
                pass  # an item that is not held any more leaves `held`
            except (IncompatibleTreeError, AccessDeniedError, ServerRefusedError) as error:
                if isinstance(error, OutdatedClientError):
                    raise
                # One of them has children, or its place cannot take it back: a guard is damaged, an
                # ACL or a quota forbids it. The janitor tries again later.
                most = 1
                if len(part) == 1:
                    stuck.add(part[0].name)

    def _settle(self, doubt: Doubt) -> None:
        """Settle the operation in doubt, in the caller's turn, for the call with that doubt."""
        try:
            self._in_turn(self.membership.settle)
        except OutcomeUnknownError as error:
            error.doubt = doubt
            raise

    def _in_turn(self, act: Callable[[float], Answer], most_s: float = math.inf) -> Answer:
        """Call `act` with its deadline, `most_s` at most, once no other thread calls."""
        self._require_open()
        deadline_s = min(self._deadline(), most_s)

        def call() -> Answer:
            self._require_open()
            return act(deadline_s)

        return self._lock.run(deadline_s, call)

    def _look(
        self, n: int, done: Sequence[Item], taken: list[Item], *, sync: bool, most_s: float
    ) -> Reservation:
        """Look once and claim once. The items are added to `taken` before anything else."""

        def look(deadline_s: float) -> Reservation:
            contended_s = self._store.now() - self.reserver.contended_s
            if contended_s < CONTENDED_S and not self.reserver.relaxed:
                self._line.await_turn(deadline_s)
            leave = self._line.departure()
            found = self.reserver.reserve(n, done, sync=sync, extra=leave, deadline_s=deadline_s)
            if found.items:
                with contextlib.suppress(ZkmqError):  # the claim took effect all the same
                    self._line.leave(done=self.reserver.used_extra)
            taken.extend(found.items)
            self.membership.arrived.remove(found.items)
            return found

        return self._in_turn(look, most_s)

    def _wait(self, until_s: float, give_up: GiveUp, most_s: float) -> None:
        """Wait in the waiting line, one thread at a time."""

        def wait() -> None:
            self._require_open()
            # The thread that waited until now may have got the signal that was for this one.
            if not give_up():
                deadline_s = min(self._deadline(), most_s)
                self._line.wait(self.reserver.cache.seen(), until_s, deadline_s)

        self._waiting.run_if_free(min(until_s, self._store.now() + LOOK_AGAIN_S), wait)

    def _leave_line(self) -> None:
        """Leave the waiting line, so that no put wakes a place whose consumer is gone."""
        with contextlib.suppress(ZkmqError):  # the end of the session does the same
            # If it is held, another thread uses the place.
            self._waiting.run_if_free(self._store.now(), lambda: self._line.leave(done=False))

    def _end(self, end: Callable[..., Done], items: Sequence[Item], **options: Any) -> Done:
        checks.some_items(items, Item)
        return self._in_turn(lambda deadline_s: end(items, deadline_s=deadline_s, **options))

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")
