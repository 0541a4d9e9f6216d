"""Consuming over HTTP: one consumer at the gateway after the other."""

import base64
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zkmq.errors import AckUnknownError, ConsumerLostError, OutcomeUnknownError
from zkmq.finish import Done
from zkmq.item import Hold, Item
from zkmq.reserve import Reservation
from zkmq.rest.client.exchange import Exchange, Reply
from zkmq.rest.client.registration import OnLost, Registration, demand_held

_ENDS = {"done": Hold.DONE, "release": Hold.RETURNED, "bury": Hold.RETURNED}


@dataclass(frozen=True, slots=True)
class _Reserve:
    """A reserve as it is sent, and sent again: with a key, by which it has the same answer."""

    registration: Registration
    arguments: Mapping[str, Any]
    done: Sequence[Item]
    key: str


class Consuming:
    """The consuming side of one client.

    Thread-safe in so far as a `done` may be on its way while a reserve waits.
    """

    def __init__(
        self, exchange: Exchange, base: str, settings: Mapping[str, Any], on_lost: OnLost
    ) -> None:
        self._exchange = exchange
        self._base = base
        self._settings = settings
        self._on_lost = on_lost
        self._registering = threading.Lock()
        self._registration: Registration | None = None
        self._in_doubt: _Reserve | None = None

    @property
    def live(self) -> Registration | None:
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
        registration = self._ready(done, deadline_s)
        doubt, self._in_doubt = self._in_doubt, None
        if doubt is not None and doubt.registration is registration:
            found = self._ask(doubt, deadline_s)
            left = [item for item in done if item.hold is Hold.HELD]
            if found is None or found.items:
                acked = self.end("done", left, deadline_s) if found and left else None
                return replace(found, done=acked) if found and acked else found
            done = left
        arguments = {"n": n, "wait_s": wait_s, "sync": sync, "done": [item.name for item in done]}
        request = _Reserve(registration, arguments, done, secrets.token_hex(8))
        return self._ask(request, deadline_s)

    def end(self, verb: str, items: Sequence[Item], deadline_s: float, **options: Any) -> Done:
        """Do `done`, `release`, `bury` or `touch` to items, all or none.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AckUnknownError: the consumer ended with this in doubt.
            OutcomeUnknownError: no answer before the deadline; it may be asked for again.
        """
        registration = self.live
        for item in items:
            demand_held(item, registration)
        assert registration is not None  # it holds items
        arguments = {"ids": [item.name for item in items], **options}
        try:
            reply = self._post(registration, verb, arguments, deadline_s)
        except (ConsumerLostError, AckUnknownError):
            registration.end()
            raise
        if verb in _ENDS:
            registration.remove(items, _ENDS[verb])
        return Done(reply.value["zxid"], reply.attempts)

    def close(self, deadline_s: float) -> None:
        """Give back what is held, and end.

        Raises:
            ZkmqError: the gateway was not reached.
        """
        registration = self.live
        if registration is not None:
            registration.close(deadline_s)

    def _ready(self, needed: Sequence[Item], deadline_s: float) -> Registration:
        """A live registration that holds `needed`.

        Raises:
            NotHeldError: it does not.
            NoQuorumError: none could be made before the deadline.
        """
        with self._registering:
            registration = self.live
            for item in needed:
                demand_held(item, registration)
            if registration is None:
                registration = self._registration = self._register(deadline_s)
        return registration

    def _register(self, deadline_s: float) -> Registration:
        # Sent again after a lost answer it makes another one, and the first ends in silence.
        path = f"{self._base}/consumers"
        content = json.dumps(self._settings).encode()
        answer = self._exchange.ask("POST", path, deadline_s, content=content).value
        session, session_s = int(answer["session"], 16), float(answer["session_s"])
        consumer = f"{path}/{answer['consumer']}"
        return Registration(self._exchange, consumer, session, session_s, self._on_lost)

    def _ask(self, request: _Reserve, deadline_s: float) -> Reservation | None:
        registration = request.registration
        try:
            reply = self._post(
                registration, "reserve", request.arguments, deadline_s, key=request.key
            )
        except ConsumerLostError:
            registration.end()
            if request.done:
                raise
            return None  # nothing was claimed
        except AckUnknownError:
            registration.end()
            raise
        except OutcomeUnknownError:
            self._in_doubt = request
            raise
        return self._reserved(request, reply)

    def _post(
        self,
        registration: Registration,
        verb: str,
        arguments: Mapping[str, Any],
        deadline_s: float,
        *,
        key: str | None = None,
    ) -> Reply:
        reply = self._exchange.ask(
            "POST",
            f"{registration.path}/{verb}",
            deadline_s,
            wait_s=arguments.get("wait_s", 0.0),
            content=json.dumps(arguments).encode(),
            headers={"Idempotency-Key": key} if key else None,
        )
        registration.contact(reply.sent_s)
        return reply

    def _reserved(self, request: _Reserve, reply: Reply) -> Reservation:
        registration, told = request.registration, reply.headers
        registration.consumer = told.get("Zkmq-Consumer", registration.consumer)
        items = tuple(_item(each, registration.consumer or "") for each in reply.value or ())
        registration.remove(request.done, Hold.DONE)
        registration.add(items)
        acked = Done(_number(told, "Zkmq-Done-Zxid"), reply.attempts) if request.done else None
        return Reservation(
            items,
            _number(told, "Zkmq-Zxid"),
            _number(told, "Zkmq-Read-Zxid"),
            reply.attempts,
            acked,
            _number(told, "Zkmq-Window") or 1,
        )


def _item(each: Mapping[str, Any], consumer: str) -> Item:
    return Item(
        base64.b64decode(each["data64"]),
        each["name"],
        consumer,
        each["delivery"],
        each["fence"],
        each["put_zxid"],
        header={},
    )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    return None if text is None else int(text)
