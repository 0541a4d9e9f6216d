"""Putting: every write takes effect at most once, however often it is sent, and in order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zkmq.batches import Batch, Put, parts, puts_of
from zkmq.entry import Entry
from zkmq.errors import (
    AckUnknownError,
    NoQuorumError,
    OutcomeUnknownError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.once import once
from zkmq.pipeline import Pipeline
from zkmq.server_clock import ServerClock
from zkmq.store import Code, Create, Pending, Store
from zkmq.ticket import Settled
from zkmq.tickets import Tickets
from zkmq.tree import Tree


class Producer:
    """The putting side of one client, with one ticket, made at the first put. Not thread-safe.

    `about` is what the ticket says of its writer, as of `zkmq.registrations`.
    """

    def __init__(
        self, store: Store, tree: Tree, *, segment_items: int, about: Mapping[str, Any]
    ) -> None:
        self._store = store
        self._tree = tree
        clock = ServerClock(store)
        self._tickets = Tickets(store, tree, clock, about)
        self._pipeline = Pipeline(store, tree, self._tickets, clock, segment_items=segment_items)
        self._serial = 0
        self._ttr_marked = False
        # Of each write in doubt, how many items it had.
        self._doubtful: list[int] = []
        self.settled: tuple[Settled, ...] = ()
        # Answers so far, while some are still missing.
        self._settling: list[Settled] = []

    @property
    def id(self) -> str:
        """The name of the ticket."""
        return self._tickets.id

    def put_all(self, entries: Sequence[Entry], *, batch: int, patience_s: float) -> list[Put]:
        """Append entries in order, up to `batch` in each write, all of a write or none.

        Waits for each write at most `patience_s` after the one before.

        Raises:
            OutcomeUnknownError: no answer in time; `settle` can tell later.
            PartlyPutError: some are put, and the others certainly not.
            NoQuorumError: nothing is put.
        """
        deadline_s = self._store.now() + patience_s
        try:
            self.settle(deadline_s)
        except OutcomeUnknownError as error:
            # Unknown is the outcome of that put, for which `settled` will answer; not of this one.
            raise NoQuorumError("put: not sent, an earlier put is still in doubt") from error
        if self._tickets.current is not None and self._tickets.current.worn:
            self._tickets.renew()
        batches = [self._batch(part) for part in parts(entries, batch)]
        try:
            if any(entry.ttr_s is not None for entry in entries):
                self._mark_ttr(deadline_s)
            self._pipeline.run(batches, patience_s)
        except BaseException as error:
            self._doubtful = self._pipeline.doubtful
            put = puts_of(batches)
            if isinstance(error, AckUnknownError):
                self._tickets.renew()
                self.settled, self._doubtful = _never_known(self._doubtful), []
            if isinstance(error, OutcomeUnknownError):
                error.tell(put, sum(self._pipeline.doubtful), len(entries))
            elif isinstance(error, ZkmqError) and put:
                raise PartlyPutError(put, len(entries), error) from error
            raise
        return list(puts_of(batches))

    def settle(self, deadline_s: float) -> None:
        """Settle every write whose outcome is unknown; then the answers are in `settled`.

        Raises:
            OutcomeUnknownError: still no answer; those so far are kept for the next time.
        """
        while (ticket := self._tickets.current) is not None and ticket.in_doubt:
            settled = ticket.settle(deadline_s)
            if settled.took_effect is None:
                self._tickets.renew()
                self._settling += _never_known(self._doubtful)
                self._doubtful = []
            else:
                self._settling.append(replace(settled, items=self._doubtful.pop(0)))
        if self._settling:
            self.settled, self._settling = tuple(self._settling), []

    def leave(self) -> Pending | None:
        """Delete the ticket, if there is one: what is in doubt takes no effect from then on."""
        return self._tickets.leave()

    def _batch(self, entries: Sequence[Entry]) -> Batch:
        self._serial += 1
        return Batch(self._serial, list(entries))

    def _mark_ttr(self, deadline_s: float) -> None:
        """Tell janitors that there are holds to be watched: reading them all costs something."""
        if not self._ttr_marked:
            create = Create(self._tree.place("ttr"))
            once(self._store, "create", [create], deadline_s, as_good={Code.NODE_EXISTS})
            self._ttr_marked = True


def _never_known(doubtful: Sequence[int]) -> tuple[Settled, ...]:
    """The answers when the ticket, which would have told, is gone."""
    return tuple(Settled("put", None, None, items) for items in doubtful)
