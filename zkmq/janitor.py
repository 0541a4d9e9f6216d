"""Tidying up after others: one elected client does it, and two at once do no harm."""

import math

from zkmq.reaper import OnReturned, Reaper
from zkmq.store import Check, Committed, Create, Op, SetData, Signal, Store
from zkmq.sweeper import Sweeper
from zkmq.tree import ACTIVE, Tree
from zkmq.watches import Watches

SWEEP_PERIOD_S = 60.0


class Janitor:
    """One client's janitor. Not thread-safe; shares nothing with the queue but the store."""

    def __init__(
        self,
        store: Store,
        tree: Tree,
        *,
        name: str,
        segment_items: int = 1000,
        sweep_period_s: float = SWEEP_PERIOD_S,
        on_returned: OnReturned | None = None,
    ) -> None:
        self._store = store
        self._tree = tree
        self._name = name.encode()
        self._reaper = Reaper(store, tree, on_returned)
        self._sweeper = Sweeper(store, tree, segment_items)
        self._sweep_period_s = sweep_period_s
        self._swept_s = -math.inf
        self._elected_in: int | None = None
        self.wake: Signal = store.signal()
        self._watches = Watches(self.wake)

    @property
    def lock(self) -> str:
        """The elected janitor's ephemeral node."""
        return self._tree.lock

    @property
    def elected(self) -> bool:
        """Whether this janitor was the elected one when it last looked."""
        return self._elected_in is not None and self._elected_in == self._store.session_id

    def step(self, deadline_s: float) -> bool:
        """Do all there is to do now, if this janitor is the elected one; tell whether it is.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        now_ms = self._elect(deadline_s)
        if now_ms is None:
            return False
        store, tree = self._store, self._tree
        watch = self._watches.arm(tree.consumers)
        consumers = sorted(store.list(tree.consumers, deadline_s, watch) or [])
        alive = [consumer for consumer in consumers if self._alive(consumer, deadline_s)]
        for consumer in consumers:
            if consumer not in alive:
                self._reaper.reap(consumer, deadline_s)
        if store.exists(tree.place("ttr"), deadline_s) is not None:
            self._reaper.take_overdue(alive, now_ms, deadline_s)
        self._sweeper.move_due(now_ms, deadline_s)
        if store.now() - self._swept_s >= self._sweep_period_s:
            self._swept_s = store.now()
            self._sweep(now_ms, deadline_s)
        return True

    def _sweep(self, now_ms: float, deadline_s: float) -> None:
        self._sweeper.drop_segments(deadline_s)
        self._sweeper.drop_old_ids(now_ms, deadline_s)
        self._sweeper.drop_idle_producers(now_ms, deadline_s)
        self._sweeper.turn_epoch(deadline_s)

    def _elect(self, deadline_s: float) -> float | None:
        """The servers' time if this janitor is the elected one; its heartbeat asks for both."""
        session = self._store.session_id
        if not self.elected:
            self._elected_in = session if self._take_lock(session, deadline_s) else None
        if self._elected_in is None:
            return None
        # Not on the lock itself, which the others watch.
        beat: list[Op] = [Check(self._tree.lock, 0), SetData(self._tree.clock, b"", -1)]
        reply = self._store.commit(beat, deadline_s)
        if not isinstance(reply, Committed) or reply.mtime_ms is None:
            self._elected_in = None
            return None
        return reply.mtime_ms

    def _take_lock(self, session: int | None, deadline_s: float) -> bool:
        lock = self._tree.lock
        node = self._store.exists(lock, deadline_s, self._watches.arm(lock))
        if node is not None:
            # Ours, if a reply was lost.
            return node.owner == session
        create = Create(lock, self._name, ephemeral=True)
        return isinstance(self._store.commit([create], deadline_s), Committed)

    def _alive(self, consumer: str, deadline_s: float) -> bool:
        """Whether its session lives; that it once was, and is not any more, is final."""
        # Its ticket itself changes with each of its operations; that it is there, does not.
        path = self._tree.consumer(consumer)
        children = self._store.list(path, deadline_s, self._watches.arm(path))
        if children is None:
            self._watches.disarm(path)
        return children is not None and ACTIVE in children
