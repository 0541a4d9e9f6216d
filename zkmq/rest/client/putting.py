"""Putting over HTTP: every request has a key that is kept in ZooKeeper, so it is put once."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zkmq.batches import Put
from zkmq.doubt import Settled
from zkmq.entry import Entry
from zkmq.errors import OutcomeUnknownError
from zkmq.rest.client.exchange import Exchange, Reply


@dataclass(frozen=True, slots=True)
class _Request:
    """A put as it is sent, and sent again."""

    content: bytes
    headers: Mapping[str, str]


class Putting:
    """The producing side of one client. Not thread-safe."""

    def __init__(self, exchange: Exchange, base: str) -> None:
        self.id = f"rest-{secrets.token_hex(8)}"
        self._exchange = exchange
        self._path = f"{base}/items"
        self._serial = 0
        self._in_doubt: _Request | None = None

    def put(self, entries: Sequence[Entry], deadline_s: float) -> list[Put]:
        """Put entries that fit in one write, all or none.

        Raises:
            OutcomeUnknownError: no answer before the deadline; `settle` can tell.
        """
        self._serial += 1
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self.id}-{self._serial}",
        }
        request = _Request(json.dumps([_encoded(entry) for entry in entries]).encode(), headers)
        try:
            reply = self._send(request, deadline_s)
        except OutcomeUnknownError:
            self._in_doubt = request
            raise
        return _puts(entries, reply)

    def settle(self, deadline_s: float) -> tuple[Settled, ...]:
        """Settle the last put without an answer by asking again: then it has taken effect, once.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        request = self._in_doubt
        if request is None:
            return ()
        reply = self._send(request, deadline_s)
        self._in_doubt = None
        return (Settled("put", took_effect=True, zxid=reply.value["zxid"]),)

    def _send(self, request: _Request, deadline_s: float) -> Reply:
        return self._exchange.ask(
            "POST", self._path, deadline_s, content=request.content, headers=request.headers
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
    options = {"delay_s": entry.delay_s, "ttr_s": entry.ttr_s, "dedup_id": entry.dedup_id}
    return {
        "data64": base64.b64encode(entry.data).decode(),
        "priority": entry.priority,
        **{name: value for name, value in options.items() if value},
    }
