"""The janitor's election and its duties. One client is elected; two at once do no harm.

A step does a slice of each duty, so that no duty waits long for another, however much there is to
do. If a foreign node is in the way, the janitor skips it and continues.
"""

import math
import zlib
from collections.abc import Callable, Sequence

from zkmq import events
from zkmq.errors import ClosedError, OutdatedClientError
from zkmq.janitor.claim_returner import ClaimReturner, OnReturned
from zkmq.janitor.delayed_mover import DelayedMover
from zkmq.janitor.overdue_claims import OverdueClaims
from zkmq.janitor.parking import Parking
from zkmq.janitor.reaper import Reaper
from zkmq.janitor.sweeper import Sweeper
from zkmq.tree import item_names
from zkmq.tree.paths import ACTIVE, QueueTree
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.armed_watches import ArmedWatches
from zkmq.zookeeper.refusal import require_access
from zkmq.zookeeper.request_sizes import cut
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Op,
    Read,
    Rejected,
    SetData,
    Signal,
    Store,
    Znode,
    is_there,
)

SWEEP_PERIOD_S = 60.0
# A duty begins nothing new after SLICE_S, and waits for no answer longer than PATIENCE_S.
SLICE_S = 0.8
PATIENCE_S = 3.0
LISTS_AT_ONCE = 500
# A janitor without a heartbeat for this long is stuck. The others wait up to twice as long before
# they depose it, so that they do not all act at once.
STUCK_S = 30.0
# Housekeeping that has not begun by this time of a step waits for the next step.
BUDGET_S = 4.0

# A duty gets the servers' time in ms, the time until which it may begin something, and its
# deadline. It returns whether there is more to do. If an answer is late, what is done is done.
Duty = Callable[[float, float, float], bool]


class Janitor:
    """One client's janitor. Not thread-safe; shares only the store with the queue.

    `lists` says whether the tree's charter lists a feature. `on_elected` is called at the first
    step after each election.

    Attributes:
        wake: set when there may be something to do.
        busy: whether the last step left something to do.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        *,
        name: str,
        segment_items: int = 1000,
        sweep_period_s: float = SWEEP_PERIOD_S,
        on_returned: OnReturned | None = None,
        on_elected: Callable[[], None] | None = None,
        lists: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._store = store
        self._tree = tree
        self._name = name.encode()
        self._skips = SkippedNodes(store, tree)
        returner = ClaimReturner(store, tree, on_returned, self._skips)
        self._reaper = Reaper(store, tree, returner)
        self._overdue = OverdueClaims(store, tree, returner)
        self._mover = DelayedMover(store, tree, segment_items, self._skips)
        # The duties of every step.
        self._first: Sequence[Duty] = (
            self._reap,
            self._take_overdue,
            self._mover.move_due,
            self._watch,
        )
        sweeper = Sweeper(store, tree, self._skips)
        # The duties of each sweep period, done until there is no more to do.
        self._sweeps: Sequence[Duty] = (
            sweeper.drop_segments,
            sweeper.drop_old_ids,
            sweeper.drop_idle_producers,
            sweeper.turn_epoch,
            Parking(store, tree, lists).park_idle,
            sweeper.drop_marks,
        )
        self._sweep_period_s = sweep_period_s
        self._swept_s = -math.inf
        self._unswept: list[Duty] = []
        self._elected_in: int | None = None
        # The session in which this janitor was last told to be elected.
        self._told_in: int | None = None
        self._on_elected = on_elected
        # The last heartbeat of another janitor, and when this one first saw it.
        self._sign: tuple[int, int] | None = None
        self._sign_s = math.inf
        # The consumers that lived at the last look, and the first one to look at next.
        self._alive: list[str] = []
        self._turn = ""
        self.busy = False
        self.wake: Signal = store.signal()
        self._watches = ArmedWatches(self.wake)

    @property
    def elected(self) -> bool:
        """Whether this janitor was the elected one when it last looked."""
        return self._elected_in is not None and self._elected_in == self._store.session_id

    def step(self, deadline_s: float) -> bool:
        """Do a slice of each duty, if this janitor is the elected one; return whether it is.

        Raises:
            ZkmqError: one of the duties failed; the others were done all the same.
        """
        self.busy = False
        began_s = self._store.now()
        now_ms = self._elect(deadline_s)
        if now_ms is None:
            return False
        self._plan_sweeps()
        failure: Exception | None = None
        for duty in (*self._first, *self._unswept):
            now_s = self._store.now()
            if duty in self._unswept:
                if now_s > min(deadline_s, began_s + BUDGET_S):
                    self.busy = True
                    break
                self._unswept.remove(duty)
            try:
                self._do(duty, now_ms, deadline_s)
            except (ClosedError, OutdatedClientError):
                raise
            except Exception as error:  # noqa: BLE001 - raised below, after the other duties
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    def resign(self, store: Store, deadline_s: float) -> bool:
        """Delete the lock if it is this janitor's, so that another is elected; False: no answer.

        `store` is of the same session, and may be one without a charter.
        """
        if not self.elected:
            return True
        self._elected_in = self._told_in = None
        return not isinstance(store.commit([Delete(self._tree.lock)], deadline_s), Lost)

    def _do(self, duty: Duty, now_ms: float, deadline_s: float) -> None:
        """Do one slice of a duty. A sweep that has more to do continues in the next step."""
        now_s = self._store.now()
        more = duty(now_ms, now_s + SLICE_S, min(deadline_s, now_s + PATIENCE_S))
        if more:
            self.busy = True
            if duty in self._sweeps:
                self._unswept.append(duty)

    def _plan_sweeps(self) -> None:
        if self._store.now() - self._swept_s >= self._sweep_period_s:
            self._swept_s = self._store.now()
            self._unswept += [sweep for sweep in self._sweeps if sweep not in self._unswept]

    def _reap(self, _: float, until_s: float, deadline_s: float) -> bool:
        """Take back what dead consumers hold."""
        store, tree = self._store, self._tree
        watch = self._watches.arm(tree.consumers)
        listed = store.list(tree.consumers, deadline_s, watch) or []
        consumers = self._skips.without_foreign(tree.consumers, listed, item_names.is_consumer)
        self._alive, dead = self._sorted_out(consumers, deadline_s)
        more = False
        for consumer in dead:
            if tree.consumer(consumer) not in self._skips:
                more = not self._reaper.reap(consumer, deadline_s, until_s) or more
            if store.now() >= until_s:
                return True
        return more

    def _take_overdue(self, now_ms: float, until_s: float, deadline_s: float) -> bool:
        """Take back what live consumers hold too long. The next step starts where this ends."""
        self._overdue.forget_others(self._alive)
        if not is_there(self._store, self._tree.place("ttr"), deadline_s):
            return False
        line = [each for each in self._alive if each >= self._turn]
        line += [each for each in self._alive if each < self._turn]
        looked = self._overdue.take_back(line, now_ms, deadline_s, until_s)
        self._turn = line[looked % len(line)] if line else ""
        return looked < len(line)

    def _watch(self, _: float, until_s: float, deadline_s: float) -> bool:
        """Arm watches on live consumers, so that the end of a session wakes this janitor."""
        for consumer in self._alive:
            # Not on `active` itself, whose data changes with each operation of the consumer.
            path = self._tree.consumer(consumer)
            watch = self._watches.arm(path)
            if watch is None:
                continue
            children = self._store.list(path, deadline_s, watch, denied=self._skips.deny)
            if children is None:
                self._watches.disarm(path)
            if children is None or ACTIVE not in children:
                self.wake.set()
            if self._store.now() >= until_s:
                break
        return False

    def _sorted_out(
        self, consumers: Sequence[str], deadline_s: float
    ) -> tuple[list[str], list[str]]:
        """The consumers whose session lives, and those whose session has ended for good."""
        alive: list[str] = []
        dead: list[str] = []
        for part in cut(consumers, LISTS_AT_ONCE):
            reads: list[Read] = [GetChildren(self._tree.consumer(each)) for each in part]
            results = self._store.read_many(reads, deadline_s, denied=self._skips.deny).results
            for consumer, children in zip(part, results, strict=True):
                if isinstance(children, list):
                    (alive if ACTIVE in children else dead).append(consumer)
        return alive, dead

    def _elect(self, deadline_s: float) -> float | None:
        """Send a heartbeat; return the servers' time in ms, or None if another is elected."""
        session = self._store.session_id
        if session is None:
            return None
        # At each step, because another janitor may have deposed this one.
        self._elected_in = session if self._take_lock(session, deadline_s) else None
        if self._elected_in is None:
            self._told_in = None
            return None
        # Not on the lock itself, which the others watch.
        beat: list[Op] = [CheckVersion(self._tree.lock, 0), SetData(self._tree.clock, b"", -1)]
        reply = self._store.commit(beat, deadline_s)
        if not isinstance(reply, Committed) or reply.mtime_ms is None:
            self._elected_in = None
            return None
        self._tell(session)
        return reply.mtime_ms

    def _tell(self, session: int) -> None:
        """Report each election once: an event, and `on_elected`."""
        if self._told_in == session:
            return
        self._told_in = session
        events.tell(
            events.JANITOR_ELECTED,
            self._tree.root,
            f"this client's janitor was elected, in session {session:#x}",
            session=f"{session:#x}",
            janitor=self._name.decode(),
        )
        if self._on_elected is not None:
            self._on_elected()

    def _take_lock(self, session: int, deadline_s: float) -> bool:
        lock = self._tree.lock
        denied: list[str] = []
        watch = self._watches.arm(lock)
        node = self._store.exists(lock, deadline_s, watch, denied=denied.append)
        if denied:
            self._watches.disarm(lock)
            self._depose(None, deadline_s)
            return False
        if node is not None:
            # The lock can be this session's if an earlier reply was lost.
            if node.owner != session:
                self._depose(node, deadline_s)
            return node.owner == session
        self._sign = None
        create = Create(lock, self._name, ephemeral=True)
        reply = self._store.commit([create], deadline_s)
        require_access(lock, reply)
        return isinstance(reply, Committed)

    def _depose(self, lock: Znode | None, deadline_s: float) -> None:
        """Delete the lock of a janitor that has sent no heartbeat for long.

        Its session lives, but it does no work: its process hangs, or its thread has ended. Or no
        janitor made the lock. None is a lock that may not be read.
        """
        (clock,) = self._store.read_many([GetData(self._tree.clock)], deadline_s).results
        if not isinstance(clock, Znode):
            return
        sign = (lock.czxid if lock is not None else 0, clock.version)
        if sign != self._sign:
            self._sign, self._sign_s = sign, self._store.now()
        # Each janitor waits a little longer or less, so that they do not all act at once.
        patience_s = STUCK_S * (1 + zlib.crc32(self._name) % 16 / 16)
        if self._store.now() - self._sign_s > patience_s:
            ops: list[Op] = [CheckVersion(self._tree.clock, clock.version), Delete(self._tree.lock)]
            match self._store.commit(ops, deadline_s):
                case Rejected(1, Code.NOT_EMPTY as code, number):
                    self._skips.refused(self._tree.lock, self._tree.lock, code, number)
            self._sign = None
