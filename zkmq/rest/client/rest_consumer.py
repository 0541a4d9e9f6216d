"""Consuming over HTTP: one consumer at the gateway after the other."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from zkmq.doubt import Doubt, Write
from zkmq.errors import AckUnknownError, ConsumerLostError, OutcomeUnknownError
from zkmq.rest.client.exchange import Exchange, answering, asked_by_another
from zkmq.rest.client.registration import RemoteRegistration, require_held
from zkmq.rest.client.reserving import Request, Reserving
from zkmq.taking.finish import DONE, Done, ended_before
from zkmq.taking.held_items import OnLost
from zkmq.taking.reserve import Reservation
from zkmq.tree.item import Hold, Item
from zkmq.zookeeper.call_lock import CallLock

_ENDS = {"done": Hold.DONE, "release": Hold.RETURNED, "bury": Hold.RETURNED}


class Consuming:
    """The consuming side of one client.

    Thread-safe in so far as a `done` may be on its way while a reserve waits. `deadline` gives
    the one of a question that is asked now.
    """

    def __init__(
        self,
        exchange: Exchange,
        base: str,
        settings: Mapping[str, Any],
        on_lost: OnLost,
        deadline: Callable[[], float],
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._settings = settings
        self._on_lost = on_lost
        self._deadline = deadline
        self._registering = CallLock(exchange.now)
        self._registration: RemoteRegistration | None = None
        # Held while an end in doubt is asked for again: each has one answer.
        self._asking = CallLock(exchange.now)
        self._reserving = Reserving(exchange.now, deadline)

    @property
    def live(self) -> RemoteRegistration | None:
        """The present registration; None before the first, and between two."""
        registration = self._registration
        return registration if registration is not None and not registration.ended else None

    def reserve(
        self, n: int, wait_s: float, done: Sequence[Item], *, sync: bool, deadline_s: float
    ) -> Reservation | None:
        """Ask once for items; None if the consumer was found lost: another is made next.

        Raises:
            OutcomeUnknownError: no answer before the deadline; whatever was claimed comes with
                the next reserve.
            AckUnknownError: the consumer ended with this in doubt; whatever was claimed goes to
                others.
        """
        self._reserving.settle(done, deadline_s)
        acked, left = ended_before(done, DONE)
        registration = self._ready(left, deadline_s)
        arrived = self._reserving.arrived(deadline_s)
        if arrived:
            acked = self.end(DONE, left, deadline_s) if left else acked
            return Reservation(arrived, arrived[0].fence, done=acked)
        arguments = {"n": n, "wait_s": wait_s, "sync": sync, "done": [item.name for item in left]}
        found = self._reserving.ask(Request(registration, arguments, left), deadline_s)
        return found if found is None or found.done else replace(found, done=acked)

    def end(self, verb: str, items: Sequence[Item], deadline_s: float, **options: Any) -> Done:
        """Do `done`, `release`, `bury` or `touch` to items, all or none.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the consumer ended with this in doubt.
            OutcomeUnknownError: no answer before the deadline; it may be asked for again.
        """
        request = " ".join([verb, *map(str, options.values())])
        earlier, items = ended_before(items, request)
        if earlier is not None and not items:
            return earlier
        registration = self.live
        for item in items:
            require_held(item, registration, request)
        assert registration is not None  # it holds items
        arguments = {"ids": [item.name for item in items], **options}
        try:
            asked = any(item.in_doubt and item.in_doubt[0] == request for item in items)
            return self._end(registration, verb, items, arguments, deadline_s, unsure=asked)
        except AckUnknownError as error:
            error.doubt = Doubt.for_ever(verb, len(items))
            raise
        except OutcomeUnknownError as error:
            error.doubt = self._doubt(registration, verb, items, arguments)
            for item in items:
                item.in_doubt = (request, error.doubt)
            raise

    def _end(
        self,
        registration: RemoteRegistration,
        verb: str,
        items: Sequence[Item],
        arguments: Mapping[str, Any],
        deadline_s: float,
        *,
        unsure: bool = False,
    ) -> Done:
        try:
            reply = registration.post(verb, arguments, deadline_s, unsure=unsure)
        except (ConsumerLostError, AckUnknownError):
            registration.end()
            raise
        if verb in _ENDS:
            registration.remove(items, _ENDS[verb])
        return Done(reply.value["zxid"], reply.attempts)

    def _doubt(
        self,
        registration: RemoteRegistration,
        verb: str,
        items: Sequence[Item],
        arguments: Mapping[str, Any],
    ) -> Doubt:
        """A handle that asks for the same again: the gateway does it once."""

        def ask(doubt: Doubt) -> None:
            deadline_s = self._deadline()

            def ask_in_turn() -> None:
                with answering(doubt):
                    if doubt.answer is None:
                        ended = self._end(
                            registration, verb, items, arguments, deadline_s, unsure=True
                        )
                        doubt.settle(took_effect=True, zxid=ended.zxid)

            self._asking.run_if_free(deadline_s, ask_in_turn)
            if doubt.answer is None:
                raise asked_by_another(doubt)

        return Doubt([Write(verb, len(items))], ask)

    def close(self, deadline_s: float) -> None:
        """Give back what is held, and end.

        Raises:
            ZkmqError: the gateway was not reached.
        """
        registration = self.live
        if registration is not None:
            registration.close(deadline_s)

    def _ready(self, needed: Sequence[Item], deadline_s: float) -> RemoteRegistration:
        """A live registration that holds `needed`.

        Raises:
            NotHeldError: it does not.
            NoQuorumError: none could be made before the deadline.
        """

        def ready() -> RemoteRegistration:
            registration = self.live
            for item in needed:
                require_held(item, registration, DONE)
            if registration is None:
                registration = self._registration = self._register(deadline_s)
            return registration

        return self._registering.run(deadline_s, ready)

    def _register(self, deadline_s: float) -> RemoteRegistration:
        # Sent again after a lost answer it makes another one, and the first ends in silence.
        path = f"{self._base}/consumers"
        content = json.dumps(self._settings).encode()
        answer = self._exchange.ask("POST", path, deadline_s, content=content).value
        session, session_s = int(answer["session"], 16), float(answer["session_s"])
        consumer = f"{path}/{answer['consumer']}"
        return RemoteRegistration(self._exchange, consumer, session, session_s, self._on_lost)
