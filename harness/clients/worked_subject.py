"""Programs with a worker loop of their own under test, such as Celery.

A client has one worker, which works on one item at a time. The handler waits until the client calls
`done` or `release`, and `done` waits until the servers have the acknowledgement. A worker takes its
next item when the one before has ended, so maybe before the client asks. So the histories of such
subjects know of no order, and what they tell of holds is less than what was held.
"""

import queue
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from harness.clients import payload
from harness.clients.subject import Applied, Reserved, Subject, SubjectConfig, Taken
from harness.history.record import Value
from zkmq.operating.operator_queue import OperatorQueue
from zkmq.taking.group_locks import lock_name
from zkmq.tree.item import Hold
from zkmq.tree.item_view import ItemView
from zkmq.tree.paths import QueueTree
from zkmq.working.job import Outcome
from zkmq.zookeeper.session.kazoo_store import KazooStore

FINISH, BACK = True, False
LOOK_S = 0.05
# How many of the first items a look for one that can be taken reads.
PEEKED = 500
# How often `done` looks whether the acknowledgement is there.
POLL_S = 0.005
# How long an item may be lost until its worker must have told what became of it.
TOLD_WITHIN_S = 2.0


class WorkRefusedError(Exception):
    """The call certainly took no effect."""

    definite = True


class WorkInDoubtError(Exception):
    """What became of the call is not known."""


@dataclass(eq=False)
class HandledItem:
    """One item that a handler works on: it waits for `decided`, whether to finish or to go back.

    `job` is a `zkmq.Job`, or an item of `zkmq.aio`.
    """

    value: Value
    job: ItemView
    decided: "queue.SimpleQueue[bool]" = field(default_factory=queue.SimpleQueue)

    @property
    def is_lost(self) -> bool:
        """Whether another consumer has the item, or gets it soon."""
        return self.job.item.hold is Hold.LOST


class WorkedSubject(Subject):
    """A publisher, and a worker that is started by the first reserve.

    A subclass puts items into the queue at `path`, and calls `work_on` in its handler.
    """

    takes: ClassVar[bool] = False
    most: ClassVar[int | None] = 1

    def __init__(self, config: SubjectConfig, path: str) -> None:
        self._deadline_s = config.deadline_s
        self._begun: queue.SimpleQueue[HandledItem] = queue.SimpleQueue()
        self._current: HandledItem | None = None
        self._is_started = False
        self._store = KazooStore.connect(
            config.hosts,
            session_timeout_s=config.session_timeout_s,
            connect_timeout_s=config.deadline_s,
        )
        try:
            self._operator = OperatorQueue(
                self._store, path, deadline_s=config.deadline_s, close_store=True
            )
        except BaseException:
            self._store.close()
            raise

    @abstractmethod
    def start(self) -> None:
        """Start the worker."""

    @abstractmethod
    def end(self) -> None:
        """End the worker, and what publishes. `let_go` lets its handlers end."""

    def work_on(self, value: Value, job: ItemView) -> bool:
        """Hand an item to the client, and wait for its decision; False: give the item back."""
        work = HandledItem(payload.plain(str(value)), job)
        self._begun.put(work)
        return work.decided.get()

    def let_go(self) -> None:
        """Let every handler that runs give its item back."""
        if self._current is not None:
            self._current.decided.put(BACK)
        with suppress(queue.Empty):
            while True:
                self._begun.get_nowait().decided.put(BACK)

    @property
    def consumer(self) -> str | None:
        """Return the registration that had the last item; None before that, or if it was lost."""
        if self._current is None or self._current.is_lost:
            return None
        return self._current.job.item.consumer

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Wait for the next item that the worker works on; empty if none waits in the queue."""
        if not self._is_started:
            self._is_started = True
            self.start()
        until_s = time.monotonic() + timeout_s
        while True:
            with suppress(queue.Empty):
                self._current = work = self._begun.get(timeout=LOOK_S)
                taken = Taken(value=work.value, delivery=work.job.delivery, handle=work)
                return Reserved(items=(taken,), consumer=work.job.item.consumer)
            if time.monotonic() >= until_s + self._deadline_s:
                raise WorkInDoubtError("items wait, and the worker works on none")
            if time.monotonic() >= until_s and not self._waiting(sync=sync):
                return Reserved()

    def done(self, items: Sequence[Taken]) -> Applied:
        """Let the handler return; wait for the acknowledgement."""
        return self._end(items, FINISH)

    def release(self, items: Sequence[Taken]) -> Applied:
        """Let the handler fail; wait until the item is back."""
        return self._end(items, BACK)

    def leftover(self) -> int:
        """Count what any worker holds, and what is delayed."""
        stats = self._operator.stats()
        return stats.held + stats.delayed

    def close(self) -> None:
        """End the worker, whose items go back, and the sessions."""
        try:
            self.end()
        finally:
            self._operator.close()

    def _end(self, items: Sequence[Taken], decision: bool) -> Applied:  # noqa: FBT001 - one of two names
        (work,) = (item.handle for item in items)
        work.decided.put(decision)
        until_s = time.monotonic() + self._deadline_s
        while (outcome := _outcome(work)) is None:
            if work.is_lost:
                until_s = min(until_s, time.monotonic() + TOLD_WITHIN_S)
            if time.monotonic() >= until_s:
                raise WorkInDoubtError("the servers do not have the acknowledgement in time")
            time.sleep(POLL_S)
        if outcome in {Outcome.DONE, Outcome.RETRIED}:
            return Applied()
        if outcome is Outcome.LOST:
            raise WorkRefusedError("the session that held the item has ended")
        raise WorkInDoubtError(f"the acknowledgement: {work.job!r}")

    def _waiting(self, *, sync: bool) -> bool:
        """Whether an item waits that a worker can take: its group is not held."""
        deadline_s = self._store.now() + self._deadline_s
        if sync:
            self._store.sync("/", deadline_s)
        groups = [item.group for item in self._operator.peek(PEEKED)]
        if not groups or None in groups:
            return bool(groups)
        locks = self._store.list(QueueTree(self._operator.path).place("groups"), deadline_s) or []
        return not {lock_name(group) for group in groups if group}.issubset(locks)


def _outcome(work: HandledItem) -> Outcome | None:
    """What became of an item; None while that is not known.

    A worker may tell late, since its acknowledgement goes with the next reserve, which waits. If an
    item is lost, only the worker knows whether its acknowledgement was in doubt. Items of asyncio
    have no outcome.
    """
    match work.job.item.hold:
        case Hold.DONE:
            return Outcome.DONE
        case Hold.RETURNED:
            return Outcome.RETRIED
        case Hold.HELD:
            return None
    return getattr(work.job, "outcome", None)
