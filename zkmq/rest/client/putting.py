"""Putting over HTTP: every request has a key that is kept in ZooKeeper, so it is put once."""

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from zkmq.doubt import Doubt, Write
from zkmq.errors import AckUnknownError, OutcomeUnknownError
from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry
from zkmq.rest.client.exchange import Exchange, Reply, answering, asked_by_another
from zkmq.zookeeper.call_lock import CallLock

# After that a key may be forgotten, and a put that is asked for again would be put again.
KEPT_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Request:
    """A put as it is sent, and sent again."""

    content: bytes
    headers: Mapping[str, str]
    sent_s: float


class Putting:
    """The producing side of one client. For one put at a time.

    `deadline` gives the one of a question that is asked now.
    """

    def __init__(self, exchange: Exchange, base: str, deadline: Callable[[], float]) -> None:
        self.id = f"rest-{secrets.token_hex(8)}"
        self._exchange = exchange
        self._deadline = deadline
        self._path = f"{base}/items"
        self._serial = 0
        self._asking = CallLock(exchange.now)
        # The last put in doubt of each thread.
        self._last = threading.local()

    @property
    def doubt(self) -> Doubt | None:
        """The last put of the calling thread whose outcome was unknown."""
        doubt: Doubt | None = getattr(self._last, "doubt", None)
        return doubt

    def put(self, entries: Sequence[Entry], deadline_s: float) -> list[Put]:
        """Put entries that fit in one write, all or none.

        Raises:
            OutcomeUnknownError: no answer before the deadline; its `resolve` can tell.
        """
        self._serial += 1
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self.id}-{self._serial}",
        }
        content = json.dumps([_encoded(entry) for entry in entries]).encode()
        request = _Request(content, headers, self._exchange.now())
        try:
            reply = self._send(request, deadline_s, unsure=False)
        except OutcomeUnknownError as error:
            never = isinstance(error, AckUnknownError)
            items = len(entries)
            ask = partial(self._ask_again, request)
            doubt = Doubt.for_ever("put", items) if never else Doubt([Write("put", items)], ask)
            error.doubt = self._last.doubt = doubt
            raise
        return _puts(entries, reply)

    def _ask_again(self, request: _Request, doubt: Doubt) -> None:
        """Send a put without an answer once more: then it has taken effect, once, or never will.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        deadline_s = self._deadline()

        def ask() -> None:
            if doubt.answer is not None:
                return
            if self._exchange.now() - request.sent_s > KEPT_S:
                doubt.settle(took_effect=None)
                return
            with answering(doubt):
                zxid = self._send(request, deadline_s, unsure=True).value["zxid"]
                doubt.settle(took_effect=True, zxid=zxid)

        self._asking.run_if_free(deadline_s, ask)
        if doubt.answer is None:
            raise asked_by_another(doubt)

    def _send(self, request: _Request, deadline_s: float, *, unsure: bool) -> Reply:
        return self._exchange.ask(
            "POST",
            self._path,
            deadline_s,
            unsure=unsure,
            content=request.content,
            headers=request.headers,
        )


def _puts(entries: Sequence[Entry], reply: Reply) -> list[Put]:
    """Read an answer; a duplicate of an entry without an id of its own is this very put."""
    answer = reply.value
    puts = []
    for index, (entry, name) in enumerate(zip(entries, answer["ids"], strict=True)):
        duplicate = entry.dedup_id is not None and index in answer["duplicates"]
        zxid = None if duplicate else answer["zxid"]
        puts.append(Put(name, zxid, reply.attempts, duplicate))
    return puts


def _encoded(entry: Entry) -> dict[str, Any]:
    options: dict[str, Any] = {
        "delay_s": entry.delay_s,
        "ttr_s": entry.ttr_s,
        "dedup_id": entry.dedup_id,
        "expires_s": entry.expires_s,
        "headers": entry.headers and dict(entry.headers),
        "content_type": entry.content_type,
        "group": entry.group,
    }
    return {
        "data64": base64.b64encode(entry.data).decode(),
        "priority": entry.priority,
        **{name: value for name, value in options.items() if value},
    }
