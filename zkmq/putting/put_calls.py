"""The puts of one client's threads: one call after the other, each with what it leaves in doubt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zkmq.doubt import Doubt
from zkmq.errors import BadArgumentError, NoQuorumError, OutcomeUnknownError, ZkmqError
from zkmq.putting.backlog_limit import BacklogLimit
from zkmq.putting.batches import Put, PutBatch, puts_of
from zkmq.putting.entry import Entry
from zkmq.putting.producer import Producer
from zkmq.tree.compatibility.charter import GROUPS
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.call_lock import CallLock
from zkmq.zookeeper.store import Pending


class PutCalls:
    """Puts items, and settles what is in doubt. Thread-safe.

    `deadline` returns the deadline of a call that begins now; `patience_s` how long each answer of
    a call may take; `require_open` raises if the queue is closed. `about` is the client's
    announcement (`zkmq.tree.compatibility.registrations`).
    """

    def __init__(
        self,
        store: CharteredStore,
        tree: QueueTree,
        *,
        segment_items: int,
        max_items: int | None,
        about: Mapping[str, Any],
        deadline: Callable[[], float],
        patience_s: Callable[[], float],
        require_open: Callable[[], None],
    ) -> None:
        self._now = store.now
        self._lists = store.lists
        self._deadline = deadline
        self._patience_s = patience_s
        self._require_open = require_open
        self.lock = CallLock(store.now)
        self.producer = Producer(
            store, tree, segment_items=segment_items, about=about, ask=self._settle
        )
        self._backlog_limit: BacklogLimit | None = None
        if max_items is not None:
            self._backlog_limit = BacklogLimit(
                store, tree, max_items=max_items, segment_items=segment_items
            )

    def put(self, entries: Callable[[], list[Entry]], batch: int) -> list[Put]:
        """Put entries in order, up to `batch` in one write."""
        producer = self.producer
        before, doubt = producer.doubt, Doubt((), self._settle)
        try:
            producer.doubt = doubt
            self._require_open()
            deadline_s = self._deadline()
            chosen = entries()
            self._require_groups(chosen)
            batches = producer.cut(chosen, batch)
            producer.doubt = doubt = producer.doubt_about(batches)
            self.lock.run(deadline_s, lambda: self._put_all(batches, deadline_s))
            puts = list(puts_of(batches))
            producer.doubt = before
            return puts  # noqa: TRY300 - a handler may raise until here
        except BaseException as error:
            # A ZkmqError tells what it leaves in doubt. After any other, all may be in doubt.
            left = error.doubt if isinstance(error, OutcomeUnknownError) else before
            producer.doubt = left if isinstance(error, ZkmqError) else doubt
            raise

    def leave(self) -> Pending | None:
        """Delete the ticket. A put that is under way keeps it, so that its outcome can be found."""
        try:
            return self.lock.run(self._now(), self.producer.leave)
        except NoQuorumError:
            return None

    def _settle(self, doubt: Doubt) -> None:
        """Settle whatever put is in doubt, for the call with that doubt."""
        self._require_open()
        deadline_s = self._deadline()

        def settle() -> None:
            self._require_open()
            self.producer.settle(deadline_s)

        try:
            self.lock.run(deadline_s, settle)
        except OutcomeUnknownError as error:
            error.doubt = doubt
            raise

    def _require_groups(self, entries: Sequence[Entry]) -> None:
        """Refuse groups while consumers may be of a release that would not keep them."""
        if any(entry.group is not None for entry in entries) and not self._lists(GROUPS):
            raise BadArgumentError(
                "put: group: expected a queue whose clients all know groups, got one that an "
                "older release made; restart its clients, then run `zkmq upgrade`"
            )

    def _put_all(self, batches: Sequence[PutBatch], deadline_s: float) -> None:
        self._require_open()
        if self._backlog_limit is not None:
            count = sum(len(each.entries) for each in batches)
            self._backlog_limit.require_room(count, deadline_s)
        self.producer.put_all(batches, deadline_s=deadline_s, patience_s=self._patience_s())
