"""The producer of one client: its writes take effect at most once, and in order."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zkmq.doubt import Doubt, Settled
from zkmq.errors import (
    AckUnknownError,
    NoQuorumError,
    OutcomeUnknownError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.putting.batches import Put, PutBatch, puts_of, writes_of
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

    `about` is the client's announcement (`zkmq.tree.registrations`). `ask` is a function that a
    caller in doubt calls later; it has to call `settle`.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        *,
        segment_items: int,
        about: Mapping[str, Any],
        ask: Callable[[], None],
    ) -> None:
        self._store = store
        self._tree = tree
        clock = ServerClock(store)
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
        self._ttr_marked = False
        self._ask = ask
        # The call whose writes are in doubt, and the last such call of each thread.
        self._doubt: Doubt | None = None
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

    def put_all(
        self, entries: Sequence[Entry], *, batch: int, deadline_s: float, patience_s: float
    ) -> list[Put]:
        """Append entries in order, up to `batch` in one write, which takes effect as a whole.

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
        writes = writes_of(entries, batch, (self._request_bytes, MAX_CALL_BYTES))
        batches = [self._batch(part) for part in writes]
        if any(entry.ttr_s is not None for entry in entries):
            self._mark_ttr(deadline_s)
        try:
            self._pipeline.run(batches, deadline_s, patience_s)
            return list(puts_of(batches))  # inside `try`, because a signal can come here too
        except BaseException as error:
            put = puts_of(batches)
            self._give_up(error, batches)
            if isinstance(error, OutcomeUnknownError):
                error.tell(put, sum(self._pipeline.doubtful), len(entries))
            elif isinstance(error, ZkmqError) and put:
                raise PartlyPutError(put, len(entries), error) from error
            raise

    def settle(self, deadline_s: float) -> None:
        """Settle every write whose outcome is unknown, and give the outcomes to their call.

        Raises:
            OutcomeUnknownError: still no answer; the outcomes so far are kept.
        """
        while (ticket := self._producer_ticket.current) is not None and ticket.in_doubt:
            doubt = self._doubt
            if doubt is None or not doubt.is_open:
                # A signal's handler raised before the caller had an error with a doubt.
                doubt = self._doubt = Doubt("put", ticket.doubtful, self._ask)
            try:
                settled, used = ticket.settle(deadline_s)
            except OutcomeUnknownError as error:
                error.doubt = doubt
                raise
            if settled.took_effect is None:
                self._producer_ticket.renew()
                doubt.give_up()
                return
            if doubt.left == len(ticket.doubtful):  # else a signal came between the next two steps
                doubt.settle(settled)
            ticket.enter(used=used)

    def leave(self) -> Pending | None:
        """Delete the ticket, if there is one. After that, nothing in doubt can take effect."""
        return self._producer_ticket.leave()

    def _request_bytes(self, entry: Entry) -> int:
        """The most bytes that an entry adds to a request."""
        ids = self._id_bytes if entry.dedup_id is not None else 0
        return self._item_bytes + len(entry.data) + ids

    def interrupted(self, puts: Sequence[Put]) -> None:
        """Keep the results of a put for `resolve`, because a signal kept them from the caller."""
        doubt = Doubt("put", [len(puts)], self._ask)
        doubt.settle(Settled("put", took_effect=True, zxid=puts[0].zxid))
        self._last.doubt = doubt

    def _give_up(self, error: BaseException, batches: Sequence[PutBatch]) -> None:
        """Keep what the pipeline left in doubt, for the caller and for `settle`."""
        # A ZkmqError tells the caller what is put. Any other exception does not.
        put = [] if isinstance(error, ZkmqError) else [each for each in batches if not each.rest]
        if put and self._pipeline.first_is_certain:
            put.pop()
        sizes = [len(each.entries) for each in put] + self._pipeline.doubtful
        if not sizes:
            return
        doubt = Doubt("put", sizes, self._ask)
        for each in put:
            doubt.settle(Settled("put", took_effect=True, zxid=_zxid(each)))
        self._doubt = self._last.doubt = doubt
        if isinstance(error, AckUnknownError):
            self._producer_ticket.renew()
            doubt.give_up()
        if isinstance(error, OutcomeUnknownError):
            error.doubt = doubt

    def _batch(self, entries: Sequence[Entry]) -> PutBatch:
        self._serial += 1
        return PutBatch(self._serial, list(entries))

    def _mark_ttr(self, deadline_s: float) -> None:
        """Tell janitors that this queue has times to run, so that they read all claims."""
        if not self._ttr_marked:
            create = Create(self._tree.place("ttr"))
            commit_idempotent(
                self._store, "create", [create], deadline_s, as_good={Code.NODE_EXISTS}
            )
            self._ttr_marked = True


def _zxid(batch: PutBatch) -> int | None:
    first = batch.puts[0]
    return first.zxid if first is not None else None
