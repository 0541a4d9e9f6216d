"""A client's consumer at the gateway: what it holds, and how it is kept alive."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from zkmq.errors import AckUnknownError, ConsumerLostError, NotHeldError, ZkmqError
from zkmq.rest.client.exchange import Exchange, Reply
from zkmq.taking.held_items import HeldItems, OnLost
from zkmq.tree.item import Hold, Item

log = logging.getLogger("zkmq")

_BEATS = 3  # in the time that the gateway waits


class RemoteRegistration(HeldItems):
    """One consumer at the gateway: until it ends, and then never again. Thread-safe.

    `consumer` is its name in the queue's tree, known with the first answer to a reserve. Its end
    is told once, to `on_lost`: by the gateway's word, or when for `session_s` no call reached
    it, since then it has given the items away.
    """

    def __init__(
        self, exchange: Exchange, path: str, session: int, session_s: float, on_lost: OnLost
    ) -> None:
        super().__init__(self._tell_lost)
        self.path = path
        self.session = session
        self.consumer: str | None = None
        self._on_lost = on_lost
        self._exchange = exchange
        self._session_s = session_s
        self._contact_s = exchange.now()
        self._stopped = threading.Event()
        threading.Thread(target=self._beat, name="zkmq-heart-beat", daemon=True).start()

    def contact(self, sent_s: float) -> None:
        """Note that a call sent at `sent_s` reached the gateway."""
        self._contact_s = max(self._contact_s, sent_s)

    def post(
        self,
        verb: str,
        arguments: Mapping[str, Any],
        deadline_s: float,
        *,
        unsure: bool = False,
        key: str | None = None,
    ) -> Reply:
        """Ask the gateway to do something for this consumer, until it answers.

        Raises:
            OutcomeUnknownError: no answer before the deadline.
            AckUnknownError: the consumer has ended, and a copy of this was not answered.
            ZkmqError: what the queue raised at the gateway.
        """
        reply = self._exchange.ask(
            "POST",
            f"{self.path}/{verb}",
            deadline_s,
            wait_s=arguments.get("wait_s", 0.0),
            unsure=unsure,
            content=json.dumps(arguments).encode(),
            headers={"Idempotency-Key": key} if key else None,
        )
        self.contact(reply.sent_s)
        return reply

    def end(self) -> None:
        """End the registration, and its heartbeat: all items that it held are lost."""
        self._stopped.set()
        super().end()

    def close(self, deadline_s: float) -> None:
        """Give back what is held.

        Raises:
            ZkmqError: the gateway was not reached; it does so by itself, a little later.
        """
        self._stopped.set()
        self._exchange.ask("DELETE", self.path, deadline_s)
        self.remove(list(self.held.values()), Hold.RETURNED)
        self.ended = True

    def _tell_lost(self, items: Sequence[Item]) -> None:
        try:
            self._on_lost(self.consumer or "", items)
        except Exception:
            log.exception("lost: failed for items of %s", self.consumer)

    def _beat(self) -> None:
        while not self._stopped.wait(self._session_s / _BEATS):
            if self._exchange.now() - self._contact_s < self._session_s / _BEATS:
                continue
            try:
                reply = self._exchange.ask("PUT", self.path, self._contact_s + self._session_s)
            except (ZkmqError, RuntimeError):
                # The gateway's word, a silence so long that it has given up on us, or the
                # HTTP client was closed.
                if not self._stopped.is_set():
                    self.end()
                return
            self.contact(reply.sent_s)


def require_held(item: Item, registration: RemoteRegistration | None, request: str) -> None:
    """Make sure that an item is held.

    Raises:
        NotHeldError: it is not.
        AckUnknownError: its consumer has ended with the same request in doubt.
    """
    if registration is not None and registration.held.get(item.name) is item:
        return
    if item.hold is Hold.LOST and item.in_doubt is not None and item.in_doubt[0] == request:
        raise AckUnknownError(f"{item.name}: the consumer ended with an earlier {request} in doubt")
    if item.hold is Hold.LOST:
        raise ConsumerLostError(f"{item.name}: the consumer that reserved it has ended")
    raise NotHeldError(f"{item.name}: expected an item still held, got one {item.hold.value}")
