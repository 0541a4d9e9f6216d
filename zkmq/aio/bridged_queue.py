"""The synchronous queue below an asyncio queue, with what only its lanes and workers use."""

from collections.abc import Sequence
from typing import Any

from zkmq.queue import Queue
from zkmq.taking.consumer import GiveUp
from zkmq.taking.held_items import OnLost
from zkmq.taking.reserve import MAX_BATCH, Reservation
from zkmq.tree.item import Item
from zkmq.tree.redelivery_policy import RedeliveryPolicy, uncounted
from zkmq.working.ending import MAX_MOVED_BYTES
from zkmq.working.handler_calls import Begin
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import Worker
from zkmq.zookeeper.request_sizes import ITEM_OVERHEAD_BYTES, cut
from zkmq.zookeeper.store import Store


class BridgedQueue(Queue):
    """A queue whose reserves can be interrupted. Its methods block, except where noted."""

    @property
    def store(self) -> Store:
        """The session."""
        return self._store

    @property
    def policy(self) -> RedeliveryPolicy:
        """After how many deliveries an item is dead."""
        return self._consumer.policy

    def take(
        self, n: int, *, timeout_s: float, done: Sequence[Item], sync: bool, give_up: GiveUp
    ) -> Reservation:
        """Reserve, but stop waiting when `give_up` says so after a look or a `wake`."""
        self._require_open()
        return self._consumer.reserve(n, timeout_s=timeout_s, done=done, sync=sync, give_up=give_up)

    def wake(self) -> None:
        """Let a `take` that waits ask `give_up`. Does not block."""
        self._consumer.wake()

    def settle(self) -> None:
        """Find out what became of a call in doubt, if there is one.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
        """
        self._consumer.settle()

    def arrived(self) -> int:
        """How many items the next `take` returns without a look. Does not block."""
        return len(self._consumer.membership.arrived.held())

    def give_back(self, items: Sequence[Item]) -> None:
        """Release the first of these items that one write can move; the delivery does not count."""
        size = (lambda item: len(item.data) + ITEM_OVERHEAD_BYTES, MAX_MOVED_BYTES)
        items = next(cut(items, MAX_BATCH, size))
        with uncounted(items):
            self.release(*items)

    def listen(self, on_lost: OnLost) -> None:
        """Call `on_lost` with lost items, on any thread. Does not block."""
        self._consumer.lost_listeners.append(on_lost)

    def worker(self, settings: WorkSettings, begin: Begin, **options: Any) -> Worker:
        """Make a worker of this queue's consumer. Does not block."""
        self._require_open()
        return Worker(self._consumer, self._store, settings, begin, **options)
