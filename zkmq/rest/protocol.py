"""uvicorn's HTTP/1.1 protocol, with the limits it lacks: slow heads, and answers to broken ones."""

import asyncio
import sys
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

# What a client may still send of a body that was refused before the connection is cut.
_MOST_DISCARDED = 16 * 1024 * 1024


class LimitedProtocol(H11Protocol):
    """Closes connections whose request head does not arrive in time.

    Malformed HTTP is answered by the status h11 suggests (400, 431, 501).
    """

    header_timeout_s = 10.0
    _head_timer: asyncio.TimerHandle | None = None
    _discarded = 0

    def connection_made(self, transport: Any) -> None:
        """Expect a request head in time."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Cork(transport, self.loop))
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the clock stops when the head is complete."""
        if self.conn.our_state is h11.DONE:
            self._discarded += len(data)
            if self._discarded > _MOST_DISCARDED:
                self.transport.abort()
                return
        if self.conn.their_state is h11.IDLE and self._head_timer is None:
            self._time_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()

    def on_response_complete(self) -> None:
        """Be ready for the next request."""
        self._discarded = 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP."""
        # uvicorn calls this while it handles h11's error, which knows the better status.
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        if status == 431 and b"\n" not in self.conn.trailing_data[0]:
            status = 414
        self._refuse(status, msg)

    def _time_head(self) -> None:
        self._head_timer = self.loop.call_later(self.header_timeout_s, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self._refuse(408, "The request did not arrive in time.")

    def _refuse(self, status: int, message: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # in the midst of another answer
            return
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(message))),
            ("connection", "close"),
        ]
        events = (
            h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
            h11.Data(data=message.encode("ascii")),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Cork:
    """A transport that sends all that is written in one turn of the loop in one system call."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send at the end of this turn."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
