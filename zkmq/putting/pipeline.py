"""Several writes of one producer in flight at once. Each takes effect once, and in order.

The pipeline sends up to DEPTH batches without waiting. At the first answer that is no success, it
stops sending, collects the other answers, and sends the open batches again, one by one, each with
the ticket version that it had.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from zkmq.doubt import Write
from zkmq.errors import (
    AckUnknownError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    ZkmqError,
)
from zkmq.putting.batches import Put, PutBatch
from zkmq.putting.dedup import Dedup
from zkmq.putting.delayed import Delayed
from zkmq.putting.producer_ticket import ProducerTicket
from zkmq.putting.tail_segments import TailSegments
from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.ticket import Ticket, TicketGoneError, TookEffect
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Committed, Lost, Op, Pending, Rejected, Reply, Store

DEPTH = 8


@dataclass(slots=True)
class _Sent:
    """A write in flight: a batch, or the roll of a priority's tail."""

    pending: Pending
    ops: Sequence[Op]
    batch: PutBatch | None
    guards: dict[int, Guard]
    priority: int = -1
    reply: Reply | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the write may have taken effect, or may yet, without an answer that says so."""
        return self.reply is None or (isinstance(self.reply, Lost) and self.reply.sent)


class Pipeline:
    """The writes of one producer. Not thread-safe.

    After `run` raised an OutcomeUnknownError, `doubtful` are the writes whose outcome is unknown.
    The ticket is in doubt about the same writes, unless it was deleted. If a signal's handler
    raised, the ticket is in doubt about everything that was sent.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        producer_ticket: ProducerTicket,
        clock: ServerClock,
        *,
        segment_items: int,
    ) -> None:
        self._store = store
        self._producer_ticket = producer_ticket
        self._clock = clock
        self._tails = TailSegments(store, tree, segment_items)
        self._dedup = Dedup(store, tree)
        self._delayed = Delayed(store, tree)
        # In the order in which they were sent. Each is removed when it is complete.
        self._sent: deque[_Sent] = deque()
        self.doubtful: Sequence[Write] = ()

    def run(self, batches: Sequence[PutBatch], deadline_s: float, patience_s: float) -> None:
        """Send all batches. Wait for the first until `deadline_s`, for each other `patience_s`.

        Raises:
            OutcomeUnknownError: no answer in time; `doubtful` says for which writes.
            NotAppliedError: the first batch that is not put certainly is not, nor are later ones.
        """
        self._sent.clear()
        self.doubtful = ()
        waiting = deque(batches)
        try:
            while waiting or self._sent:
                self._fill_up(waiting, deadline_s)
                is_put = self._sent[0].batch is not None
                self._receive(deadline_s)
                if is_put:  # a roll is part of the put behind it
                    deadline_s = self._store.now() + patience_s
        except ZkmqError as error:
            self._give_up(error)
            raise

    def _fill_up(self, waiting: deque[PutBatch], deadline_s: float) -> None:
        """Send as many batches as allowed. If that fails, first complete what was sent before."""
        try:
            while waiting and len(self._sent) < DEPTH:
                if not self._send_next(waiting[0], deadline_s):
                    return
                waiting.popleft()
        except NotAppliedError:
            while self._sent:
                self._receive(deadline_s)
            raise

    def _send_next(self, batch: PutBatch, deadline_s: float) -> bool:
        """Send a batch after the rolls it needs; False if an earlier roll must be answered."""
        full = self._tails.full()
        if any(each.priority in full for each in self._sent):
            # Two rolls of one tail in flight could undo a purge between them.
            return False
        for priority in full:
            ops = self._tails.roll(priority)
            self._sent.append(_Sent(self._store.submit(ops), ops, None, {}, priority))
        ticket = self._producer_ticket.ready(deadline_s)
        ops, guards = self._operations(batch, ticket, deadline_s)
        pending = ticket.submit(batch.write, ops)
        for entry in batch.open:
            if not entry.delay_s:
                self._tails.expect(entry.priority)
        self._sent.append(_Sent(pending, ops, batch, guards))
        return True

    def _receive(self, deadline_s: float) -> None:
        """Take the next answer. If it is no success, complete everything that was sent."""
        first = self._sent[0]
        first.reply = first.pending.reply(deadline_s)
        if isinstance(first.reply, Committed):
            self._accept(first, first.reply)
            self._sent.popleft()
        else:
            self._recover(deadline_s)

    def _operations(
        self, batch: PutBatch, ticket: Ticket, deadline_s: float
    ) -> tuple[list[Op], dict[int, Guard]]:
        """The operations of a batch: its checks, and one creation for each entry."""
        guards: dict[int, Guard] = {}
        checks: list[Op] = []
        creates: list[Op] = []
        for index in batch.rest:
            entry = batch.entries[index]
            if entry.dedup_id is not None:
                now_ms = self._clock.now_ms(ticket.path, deadline_s)
                checks += self._dedup.checks(entry, now_ms, deadline_s)
            if entry.delay_s:
                now_ms = self._clock.now_ms(ticket.path, deadline_s)
                unique = f"{self._producer_ticket.id}-{batch.serial}-{index}"
                creates.append(self._delayed.put(entry, now_ms, unique, deadline_s))
                continue
            guard = guards.get(entry.priority)
            if guard is None:
                guard = guards[entry.priority] = self._tails.guard(entry.priority, deadline_s)
                checks.append(self._tails.check(entry.priority, guard))
            creates.append(self._tails.append(entry.priority, guard, entry.envelope))
        return checks + creates, guards

    def _accept(self, sent: _Sent, reply: Committed) -> None:
        ticket = self._producer_ticket.current
        if sent.batch is not None and ticket is not None:
            self._enter(sent.batch, sent.guards, ticket.applied(reply))
            ticket.enter()

    def _enter(self, batch: PutBatch, guards: dict[int, Guard], applied: TookEffect) -> None:
        """Store the results of a batch that took effect."""
        created = applied.created or ()
        paths = created[len(created) - len(batch.rest) :] or [None] * len(batch.rest)
        for index, path in zip(batch.rest, paths, strict=True):
            name = last_part(path) if path else None
            parsed = item_names.parse(name) if name else None
            if parsed is not None and parsed.priority in guards:
                self._tails.note(parsed.priority, guards[parsed.priority], parsed.number)
            batch.puts[index] = Put(name if parsed else None, applied.zxid, applied.attempts)
        batch.rest.clear()
        batch.write.settle(took_effect=True, zxid=applied.zxid)

    def _recover(self, deadline_s: float) -> None:
        """Collect all answers, then complete the writes one by one, in order."""
        for each in self._sent:
            if each.reply is None:
                each.reply = each.pending.reply(deadline_s)
            if each.batch is None and not isinstance(each.reply, Committed):
                self._tails.forget(each.priority)
                if isinstance(each.reply, Rejected):
                    self._tails.learn(each.ops[each.reply.index], each.reply.code)
        while self._sent:
            if (batch := self._sent[0].batch) is not None:
                self._finish(self._sent[0], batch, deadline_s)
            self._sent.popleft()

    def _give_up(self, error: ZkmqError) -> None:
        """Find out which writes are in doubt: the last that may still arrive, and all before it.

        Their ticket versions follow each other, so the first has to be settled first.

        Raises:
            OutcomeUnknownError: the first write is certain, but a later one is in doubt.
        """
        sent = [(each, each.batch.write) for each in self._sent if each.batch is not None]
        unknown = isinstance(error, OutcomeUnknownError)
        # The ticket itself knows about the first write.
        doubtful = [
            index for index, (each, _) in enumerate(sent) if (each.doubtful if index else unknown)
        ]
        last = max(doubtful, default=-1)
        self.doubtful = [write for _, write in sent[: last + 1]]
        ticket = self._producer_ticket.current
        if isinstance(error, AckUnknownError):
            for write in self.doubtful:
                write.settle(took_effect=None)
            self._producer_ticket.renew()
        elif ticket is not None:
            ticket.be_in_doubt(self.doubtful)
        if doubtful and not unknown:
            raise OutcomeUnknownError(f"put_many: {last} writes in doubt; {error}") from error

    def _finish(self, sent: _Sent, batch: PutBatch, deadline_s: float) -> None:
        """Complete one write, and resend it as often as it takes."""
        reply, ops, guards = sent.reply, sent.ops, sent.guards
        if isinstance(reply, Committed):
            self._accept(sent, reply)
            return
        unsure, attempts = sent.doubtful, 1
        if isinstance(reply, Rejected) and reply.code is Code.OTHER:
            raise refusal(ops[0].path, "put", reply.code, reply.number)
        if isinstance(reply, Rejected) and reply.index > 0:
            self._learn(batch, ops[reply.index - 1], reply.code)
            ops, guards = self._operations(
                batch, self._producer_ticket.ready(deadline_s), deadline_s
            )
        while batch.rest:
            try:
                ticket = self._producer_ticket.ready(deadline_s)
                result = ticket.commit(batch.write, ops, deadline_s, unsure=unsure)
            except TicketGoneError:
                self._producer_ticket.renew()
            else:
                attempts += result.attempts
                if isinstance(result, TookEffect):
                    self._enter(batch, guards, replace(result, attempts=attempts))
                    ticket.enter()
                    return
                self._learn(batch, ops[result.index], result.code)
                if self._store.now() >= deadline_s:
                    raise NoQuorumError(f"put: refused until the deadline ({result.code.name})")
            unsure = False
            ops, guards = self._operations(
                batch, self._producer_ticket.ready(deadline_s), deadline_s
            )
        # All entries were duplicates. The next write uses this ticket version.
        batch.write.settle(took_effect=True)
        self._producer_ticket.ready(deadline_s).enter(used=False)

    def _learn(self, batch: PutBatch, op: Op, code: Code) -> None:
        """Find out why a batch was refused.

        Raises:
            NotAppliedError: for a reason that a second attempt would meet again.
        """
        hash_ = self._dedup.duplicate(op, code)
        if hash_ is not None:
            batch.strike_off(hash_)
            return
        knows = (self._tails, self._dedup, self._delayed)
        if not any(each.learn(op, code) for each in knows):
            raise refusal(op.path, "put", code)
