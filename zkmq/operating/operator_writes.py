"""The writes of one operator: each takes effect at most once, and its outcome can be found out."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from zkmq.doubt import Doubt, Write
from zkmq.errors import AckUnknownError, NoQuorumError, NotAppliedError, OutcomeUnknownError
from zkmq.putting.producer_ticket import ProducerTicket
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import Refused, TicketGoneError, TookEffect
from zkmq.zookeeper.call_lock import CallLock
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Op, Pending, Store

Answer = TypeVar("Answer")


class OperatorWrites:
    """Sends the writes of one operator's calls, one call at a time. Thread-safe.

    The ticket is a producer's (`zkmq.tree.ticket`), made at the first write. `about` is the
    client's announcement. `deadline` returns the deadline of a call that begins now.
    """

    def __init__(
        self, store: Store, tree: QueueTree, about: Mapping[str, Any], deadline: Callable[[], float]
    ) -> None:
        self._deadline = deadline
        self._now = store.now
        self._lock = CallLock(store.now)
        self._producer_ticket = ProducerTicket(
            store, tree, ServerClock(store, tree.place("dedup")), about
        )
        # What took effect of the current call, and what is in doubt.
        self._writes: list[Write] = []

    def call(self, deadline_s: float, act: Callable[[], Answer]) -> Answer:
        """Call `act`, which may `write` several times, once no other thread calls.

        Raises:
            OutcomeUnknownError: `act` raised one, or failed after a write took effect. Its
                `resolve()` has an answer for each write.
            NotAppliedError: nothing took effect.
        """
        return self._lock.run(deadline_s, lambda: self._call(deadline_s, act))

    def write(
        self, label: str, ops: Sequence[Op], deadline_s: float, *, count: int
    ) -> TookEffect | Refused:
        """Do one operation on `count` items, within `call`. The label is written to the ticket.

        Raises:
            OutcomeUnknownError: no answer before the deadline.
            NotAppliedError: certainly no copy took effect, or will.
        """
        write = Write(label, count)
        while True:
            ticket = self._producer_ticket.ready(deadline_s)
            try:
                result = ticket.commit(write, ops, deadline_s)
            except TicketGoneError:
                self._producer_ticket.renew()  # the janitor deletes what was not used for a day
                continue
            except OutcomeUnknownError as error:
                self._writes.append(write)
                if isinstance(error, AckUnknownError):
                    write.settle(took_effect=None)
                    self._producer_ticket.renew()
                raise
            except NotAppliedError:
                ticket.be_in_doubt(())
                raise
            if isinstance(result, TookEffect):
                write.settle(took_effect=True, zxid=result.zxid)
                self._writes.append(write)
            ticket.enter(used=isinstance(result, TookEffect))
            return result

    def leave(self) -> Pending | None:
        """Delete the ticket, if there is one, unless a call is under way.

        After that, nothing in doubt can take effect.
        """
        with contextlib.suppress(NoQuorumError):
            return self._lock.run(self._now(), self._producer_ticket.leave)
        return None

    def _call(self, deadline_s: float, act: Callable[[], Answer]) -> Answer:
        try:
            self._settle(deadline_s)
        except OutcomeUnknownError as error:
            raise NoQuorumError("not sent: an earlier call is still in doubt") from error
        writes = self._writes = []
        try:
            return act()
        except OutcomeUnknownError as error:
            error.doubt = Doubt(writes, self._ask)
            raise
        except NotAppliedError as error:
            if not writes:
                raise
            # All of them are known. So `resolve` tells at once how far the call came.
            unknown = OutcomeUnknownError(f"{error}; a part of it took effect before")
            unknown.doubt = Doubt(writes, self._ask)
            raise unknown from error

    def _ask(self, doubt: Doubt) -> None:
        deadline_s = self._deadline()
        try:
            self._lock.run(deadline_s, lambda: self._settle(deadline_s))
        except OutcomeUnknownError as error:
            error.doubt = doubt
            raise

    def _settle(self, deadline_s: float) -> None:
        """Settle the write in doubt, and give it its outcome.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        ticket = self._producer_ticket.current
        if ticket is None or not ticket.in_doubt:
            return
        outcome = ticket.settle(deadline_s)
        ticket.doubtful[0].settle(took_effect=outcome.took_effect, zxid=outcome.zxid)
        if outcome.took_effect is None:
            self._producer_ticket.renew()
        else:
            ticket.enter(used=outcome.used)
