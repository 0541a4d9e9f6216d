"""Putting: every write takes effect at most once, however often it is sent, and in order.

Batches are sent one behind the other without waiting. At the first trouble the sending stops,
the answers are collected, and what is open is sent again, one by one and with the numbers it
had.
"""

import json
import secrets
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zkmq import names, registrations
from zkmq.dedup import Dedup
from zkmq.delayed import Delayed
from zkmq.entry import Entry
from zkmq.errors import (
    AckUnknownError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.once import once
from zkmq.refusal import refusal
from zkmq.server_clock import ServerClock
from zkmq.store import Code, Committed, Create, Delete, Lost, Op, Pending, Rejected, Reply, Store
from zkmq.tails import Tails
from zkmq.ticket import Applied, Settled, Ticket, TicketGoneError
from zkmq.tree import Guard, Tree

MAX_BATCH_ITEMS = 500
MAX_BATCH_BYTES = 256 * 1024
PIPELINE_DEPTH = 8
ITEM_OVERHEAD_BYTES = 200


@dataclass(frozen=True, slots=True)
class Put:
    """One item that is in the queue exactly once.

    Attributes:
        name: the item's name; None when the reply that named it was lost, or it is delayed.
        zxid: when it took effect; None when the reply was lost and later puts have hidden it.
        attempts: how often it was sent.
        duplicate: nothing was put, because an item with this `dedup_id` had been.
    """

    name: str | None
    zxid: int | None
    attempts: int
    duplicate: bool = False


@dataclass(slots=True)
class _Batch:
    """Entries that go in one write; `rest` are the places in `puts` still to be filled."""

    serial: int
    entries: list[Entry]
    puts: list[Put | None]
    rest: list[int]

    @property
    def open(self) -> list[Entry]:
        return [self.entries[index] for index in self.rest]


@dataclass(slots=True)
class _Sent:
    """A write on its way: a batch, or the roll of a priority's tail."""

    pending: Pending
    ops: Sequence[Op]
    batch: _Batch | None
    guards: dict[int, Guard]
    priority: int = -1


class Producer:
    """One ticket, made at the first put. Not thread-safe.

    `about` is what the ticket says of its writer, as of `zkmq.registrations`.
    """

    def __init__(
        self, store: Store, tree: Tree, *, segment_items: int, about: Mapping[str, Any]
    ) -> None:
        self.id = _new_id()
        self._store = store
        self._tree = tree
        self._label = json.dumps(about).encode()
        self._mark = registrations.mark(about[registrations.VERSION_KEY])
        self._clock = ServerClock(store)
        self._tails = Tails(store, tree, segment_items)
        self._dedup = Dedup(store, tree)
        self._delayed = Delayed(store, tree)
        self._ticket: Ticket | None = None
        self._serial = 0
        self._ttr_marked = False
        self.settled: tuple[Settled, ...] = ()
        # Answers so far, while some are still missing.
        self._settling: list[Settled] = []

    def put_all(self, entries: Sequence[Entry], *, batch: int, deadline_s: float) -> list[Put]:
        """Append entries in order, up to `batch` in each write, all of a write or none.

        Raises:
            OutcomeUnknownError: no answer before the deadline; `settle` can tell later.
            PartlyPutError: some are put, and the others certainly not.
            NoQuorumError: nothing is put.
        """
        try:
            self.settle(deadline_s)
        except OutcomeUnknownError as error:
            # Unknown is the outcome of that put, for which `settled` will answer; not of this one.
            raise NoQuorumError("put: not sent, an earlier put is still in doubt") from error
        if self._ticket is not None and self._ticket.worn:
            self._renew()
        batches = [self._batch(part) for part in _parts(entries, batch)]
        try:
            if any(entry.ttr_s is not None for entry in entries):
                self._mark_ttr(deadline_s)
            self._run(batches, deadline_s)
        except ZkmqError as error:
            put = [put for each in batches for put in each.puts if put is not None]
            if isinstance(error, AckUnknownError):
                self._renew()
                self.settled = (Settled("put", None, None),)
            if isinstance(error, OutcomeUnknownError):
                error.applied = tuple(put)
            elif put:
                raise PartlyPutError(tuple(put), len(entries), error) from error
            raise
        return [put for each in batches for put in each.puts if put is not None]

    def settle(self, deadline_s: float) -> None:
        """Settle every write whose outcome is unknown; then the answers are in `settled`.

        Raises:
            OutcomeUnknownError: still no answer; those so far are kept for the next time.
        """
        while self._ticket is not None and self._ticket.in_doubt:
            self._settling.append(self._ticket.settle(deadline_s))
            if self._settling[-1].took_effect is None:
                self._renew()
        if self._settling:
            self.settled, self._settling = tuple(self._settling), []

    def _run(self, batches: Sequence[_Batch], deadline_s: float) -> None:
        waiting = deque(batches)
        sent: deque[_Sent] = deque()
        try:
            while waiting or sent:
                while waiting and len(sent) < PIPELINE_DEPTH:
                    if not self._send_next(waiting[0], sent, deadline_s):
                        break
                    waiting.popleft()
                self._receive(sent, deadline_s)
        except NotAppliedError:
            while sent:
                self._receive(sent, deadline_s)
            raise

    def _receive(self, sent: deque[_Sent], deadline_s: float) -> None:
        """Take the next answer; if it is no success, bring all that was sent to its end."""
        first = sent.popleft()
        reply = first.pending.reply(deadline_s)
        if isinstance(reply, Committed):
            self._accept(first, reply)
            return
        rest = list(sent)
        sent.clear()
        self._recover(first, reply, rest, deadline_s)

    def _batch(self, entries: Sequence[Entry]) -> _Batch:
        """Entries of one write; what repeats an id within it is a duplicate at once."""
        self._serial += 1
        batch = _Batch(self._serial, list(entries), [None] * len(entries), [])
        ids: set[str] = set()
        for index, entry in enumerate(entries):
            if entry.dedup_id is not None and entry.dedup_id in ids:
                batch.puts[index] = Put(None, None, 0, duplicate=True)
                continue
            batch.rest.append(index)
            if entry.dedup_id is not None:
                ids.add(entry.dedup_id)
        return batch

    def _send_next(self, batch: _Batch, sent: deque[_Sent], deadline_s: float) -> bool:
        """Send a batch, behind the rolls it needs; False if an earlier roll is to be awaited."""
        full = self._tails.full()
        if any(each.priority in full for each in sent):
            # Two rolls of one tail in flight could undo a purge that came between them.
            return False
        for priority in full:
            ops = self._tails.roll(priority)
            sent.append(_Sent(self._store.submit(ops), ops, None, {}, priority))
        ticket = self._ready_ticket(deadline_s)
        ops, guards = self._operations(batch, ticket, deadline_s)
        ahead = sum(each.batch is not None for each in sent)
        pending = ticket.submit("put", ops, ahead)
        for entry in batch.open:
            if not entry.delay_s:
                self._tails.expect(entry.priority, 1)
        sent.append(_Sent(pending, ops, batch, guards))
        return True

    def _operations(
        self, batch: _Batch, ticket: Ticket, deadline_s: float
    ) -> tuple[list[Op], dict[int, Guard]]:
        """The operations of a batch: what is demanded, and one creation for each entry."""
        guards: dict[int, Guard] = {}
        demands: list[Op] = []
        creates: list[Op] = []
        for index in batch.rest:
            entry = batch.entries[index]
            if entry.dedup_id is not None:
                now_ms = self._clock.now_ms(ticket.path, deadline_s)
                demands += self._dedup.demand(entry, now_ms, deadline_s)
            if entry.delay_s:
                now_ms = self._clock.now_ms(ticket.path, deadline_s)
                unique = f"{self.id}-{batch.serial}-{index}"
                creates.append(self._delayed.put(entry, now_ms, unique, deadline_s))
                continue
            guard = guards.get(entry.priority)
            if guard is None:
                guard = guards[entry.priority] = self._tails.guard(entry.priority, deadline_s)
                demands.append(self._tails.check(entry.priority, guard))
            creates.append(self._tails.append(entry.priority, guard, entry.envelope))
        return demands + creates, guards

    def _accept(self, sent: _Sent, reply: Committed) -> None:
        if sent.batch is None or self._ticket is None:
            return
        applied = self._ticket.accept(reply)
        self._fill(sent.batch, sent.guards, applied)

    def _fill(self, batch: _Batch, guards: dict[int, Guard], applied: Applied) -> None:
        """Enter what was put."""
        created = applied.created or ()
        paths = created[len(created) - len(batch.rest) :] or [None] * len(batch.rest)
        for index, path in zip(batch.rest, paths, strict=True):
            name = path.rpartition("/")[2] if path else None
            parsed = names.parse(name) if name else None
            if parsed is not None and parsed.priority in guards:
                self._tails.note(parsed.priority, guards[parsed.priority], parsed.number)
            batch.puts[index] = Put(name if parsed else None, applied.zxid, applied.attempts)
        batch.rest.clear()

    def _recover(
        self, first: _Sent, reply: Reply, sent: Sequence[_Sent], deadline_s: float
    ) -> None:
        """Collect the answers of all that was sent, then finish it one by one, in order."""
        answers = [(first, reply)]
        answers += [(each, each.pending.reply(deadline_s)) for each in sent]
        batches: list[tuple[_Sent, Reply]] = []
        for each, answer in answers:
            if each.batch is not None:
                batches.append((each, answer))
            elif not isinstance(answer, Committed):
                self._tails.forget(each.priority)
        while batches:
            each, answer = batches[0]
            try:
                self._finish(each, answer, deadline_s)
            except ZkmqError as error:
                self._doubt(batches, error)
                raise
            batches.pop(0)

    def _doubt(self, batches: Sequence[tuple[_Sent, Reply]], error: ZkmqError) -> None:
        """What was sent behind a write that failed, and may still arrive, is in doubt as well.

        Their numbers come after that write's, so that one is to be used up first.
        """
        lost = [i for i, (_, reply) in enumerate(batches) if i and isinstance(reply, Lost)]
        ticket = self._ticket
        if not lost or ticket is None or isinstance(error, AckUnknownError):
            return
        if not ticket.in_doubt:
            ticket.doubt("put")
        for _ in range(max(lost)):
            ticket.doubt("put")
        if not isinstance(error, OutcomeUnknownError):
            raise OutcomeUnknownError(f"put_many: {len(lost)} writes in doubt") from error

    def _finish(self, sent: _Sent, reply: Reply, deadline_s: float) -> None:
        """Bring one write to its end, sending it again as often as it takes."""
        assert sent.batch is not None
        if isinstance(reply, Committed):
            self._accept(sent, reply)
            return
        batch, ops, guards = sent.batch, sent.ops, sent.guards
        unsure, attempts = isinstance(reply, Lost), 1
        if isinstance(reply, Rejected) and reply.index > 0:
            self._learn(batch, ops[reply.index - 1], reply.code)
            ops, guards = self._operations(batch, self._ready_ticket(deadline_s), deadline_s)
        while batch.rest:
            try:
                ticket = self._ready_ticket(deadline_s)
                result = ticket.commit("put", ops, deadline_s, unsure=unsure)
            except TicketGoneError:
                self._renew()
            else:
                attempts += result.attempts
                if isinstance(result, Applied):
                    self._fill(batch, guards, replace(result, attempts=attempts))
                    return
                self._learn(batch, ops[result.index], result.code)
                if self._store.now() >= deadline_s:
                    raise NoQuorumError(f"put: refused until the deadline ({result.code.name})")
            unsure = False
            ops, guards = self._operations(batch, self._ready_ticket(deadline_s), deadline_s)

    def _learn(self, batch: _Batch, op: Op, code: Code) -> None:
        """Find out what stood in the way of a batch."""
        hash_ = self._dedup.duplicate(op, code)
        if hash_ is not None:
            for index in [i for i in batch.rest if batch.entries[i].dedup_id is not None]:
                if batch.entries[index].dedup_hash == hash_:
                    batch.puts[index] = Put(None, None, 1, duplicate=True)
                    batch.rest.remove(index)
            return
        knows = (self._tails, self._dedup, self._delayed)
        if not any(each.learn(op, code) for each in knows):
            raise refusal(op.path, "put", code)

    def _mark_ttr(self, deadline_s: float) -> None:
        """Tell janitors that there are holds to be watched: reading them all costs something."""
        if not self._ttr_marked:
            self._create(Create(self._tree.place("ttr")), deadline_s)
            self._ttr_marked = True

    def _ready_ticket(self, deadline_s: float) -> Ticket:
        if self._ticket is None:
            path = f"{self._tree.producers}/{self.id}"
            self._create(Create(path, self._label), deadline_s)
            self._ticket = Ticket(self._store, path, self._clock, mark=self._mark)
        return self._ticket

    def leave(self) -> None:
        """Delete the ticket, without waiting: what is in doubt takes no effect from then on."""
        if self._ticket is not None:
            self._store.submit([Delete(self._ticket.path)])

    def _create(self, create: Create, deadline_s: float) -> None:
        once(self._store, "create", [create], deadline_s, as_good={Code.NODE_EXISTS})

    def _renew(self) -> None:
        """Take a new ticket: the old one is gone."""
        self.id = _new_id()
        self._ticket = None


def _new_id() -> str:
    return f"producer-{secrets.token_hex(8)}"


def _parts(entries: Sequence[Entry], most: int) -> Iterable[Sequence[Entry]]:
    """Cut into writes by number and size."""
    start, size = 0, 0
    for index, entry in enumerate(entries):
        bytes_ = len(entry.data) + ITEM_OVERHEAD_BYTES
        if index > start and (index - start >= most or size + bytes_ > MAX_BATCH_BYTES):
            yield entries[start:index]
            start, size = index, 0
        size += bytes_
    if start < len(entries):
        yield entries[start:]
