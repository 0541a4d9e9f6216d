"""The producer of one client: its writes take effect at most once, and in order."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from zkmq.doubt import Ask, Doubt
from zkmq.errors import NoQuorumError, OutcomeUnknownError, PartlyPutError, ZkmqError
from zkmq.putting.batches import PutBatch, puts_of, writes_of
from zkmq.putting.entry import Entry
from zkmq.putting.pipeline import Pipeline
from zkmq.putting.producer_ticket import ProducerTicket
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.request_sizes import MAX_CALL_BYTES
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Create, Delete, Pending, Store

HEADER_BYTES = 100


class Producer:
    """Puts items, with one ticket that is made at the first put. Not thread-safe.

    `about` is the client's announcement (`zkmq.tree.compatibility.registrations`). `ask` is called
    when a caller asks for the outcome of an operation in doubt; it has to call `settle`.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        *,
        segment_items: int,
        about: Mapping[str, Any],
        ask: Ask,
    ) -> None:
        self._store = store
        self._tree = tree
        clock = ServerClock(store, tree.place("dedup"))
        self._producer_ticket = ProducerTicket(store, tree, clock, about)
        self._pipeline = Pipeline(
            store, tree, self._producer_ticket, clock, segment_items=segment_items
        )
        # The largest request for one item without its payload, and for the check of one id.
        longest = f"{tree.place('delayed')}/{'0' * 10}/d-000-{self._producer_ticket.id}-{'0' * 12}"
        self._item_bytes = store.weigh([Create(longest, b" " * HEADER_BYTES)])
        id_node = f"{tree.place('dedup')}/{'0' * 10}/{'0' * 64}"
        self._id_bytes = store.weigh([Create(id_node)] * 3 + [Delete(id_node)] * 2)
        self._serial = 0
        self._marked: set[str] = set()
        self._ask = ask
        # The last put of each thread whose outcome was unknown.
        self._last = threading.local()

    @property
    def id(self) -> str:
        """The name of the ticket's node, which a new ticket changes."""
        return self._producer_ticket.id

    @property
    def doubt(self) -> Doubt | None:
        """The last put of the calling thread whose outcome was unknown."""
        doubt: Doubt | None = getattr(self._last, "doubt", None)
        return doubt

    @doubt.setter
    def doubt(self, doubt: Doubt | None) -> None:
        self._last.doubt = doubt

    def doubt_about(self, batches: Sequence[PutBatch]) -> Doubt:
        """What a call has in doubt if a signal's handler ends it, now or later."""
        return Doubt([each.write for each in batches], self._ask)

    def cut(self, entries: Sequence[Entry], batch: int) -> list[PutBatch]:
        """Cut entries into writes of up to `batch`, each of which takes effect as a whole."""
        writes = writes_of(entries, batch, (self._request_bytes, MAX_CALL_BYTES))
        return [self._batch(part) for part in writes]

    def put_all(self, batches: Sequence[PutBatch], *, deadline_s: float, patience_s: float) -> None:
        """Append the entries of all batches, in order.

        Waits for the first write until `deadline_s`, and for each other at most `patience_s` after
        the one before.

        Raises:
            OutcomeUnknownError: no answer in time; call its `resolve` to find out.
            PartlyPutError: some entries are put, and the others certainly not.
            NoQuorumError: certainly nothing is put.
        """
        try:
            self.settle(deadline_s)
        except OutcomeUnknownError as error:
            # Only the earlier put has an unknown outcome. This one was not sent.
            raise NoQuorumError("put: not sent, an earlier put is still in doubt") from error
        if self._producer_ticket.current is not None and self._producer_ticket.current.worn:
            self._producer_ticket.renew()
        entries = [entry for batch in batches for entry in batch.entries]
        if any(entry.ttr_s is not None for entry in entries):
            self._mark("ttr", deadline_s)
        if any(entry.group is not None for entry in entries):
            self._mark("groups", deadline_s)
        try:
            self._pipeline.run(batches, deadline_s, patience_s)
        except ZkmqError as error:
            put, count = puts_of(batches), sum(len(each.entries) for each in batches)
            if isinstance(error, OutcomeUnknownError):
                doubtful = self._pipeline.doubtful
                error.doubt = Doubt(doubtful, self._ask)
                error.tell(put, sum(write.items for write in doubtful), count)
            elif put:
                raise PartlyPutError(put, count, error) from error
            raise

    def settle(self, deadline_s: float) -> None:
        """Settle every write whose outcome is unknown, and give each its outcome.

        Raises:
            OutcomeUnknownError: still no answer; the outcomes so far are kept.
        """
        while (ticket := self._producer_ticket.current) is not None and ticket.in_doubt:
            outcome = ticket.settle(deadline_s)
            if outcome.took_effect is None:
                for write in ticket.doubtful:
                    write.settle(took_effect=None)
                self._producer_ticket.renew()
                return
            ticket.doubtful[0].settle(took_effect=outcome.took_effect, zxid=outcome.zxid)
            ticket.enter(used=outcome.used)

    def leave(self) -> Pending | None:
        """Delete the ticket, if there is one. After that, nothing in doubt can take effect."""
        return self._producer_ticket.leave()

    def _request_bytes(self, entry: Entry) -> int:
        """The most bytes that an entry adds to a request."""
        ids = self._id_bytes if entry.dedup_id is not None else 0
        return self._item_bytes + len(entry.data) + ids

    def _batch(self, entries: Sequence[Entry]) -> PutBatch:
        self._serial += 1
        return PutBatch(self._serial, list(entries))

    def _mark(self, place: str, deadline_s: float) -> None:
        """Tell others what this queue has: times to run, or groups. Others look only then."""
        if place not in self._marked:
            create = [Create(self._tree.place(place))]
            commit_idempotent(self._store, "create", create, deadline_s, as_good={Code.NODE_EXISTS})
            self._marked.add(place)
