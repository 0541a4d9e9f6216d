"""uvicorn's HTTP/1.1 protocol, with limits on slow or long heads and on unread bodies."""

import asyncio
import re
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

# How much of a refused body a client may send before the connection is cut.
_MOST_DISCARDED = 16 * 1024 * 1024
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]")


class _UnknownCodingError(Exception):
    """A transfer coding other than chunked, which the gateway cannot decode."""


class LimitedProtocol(HttpToolsProtocol):
    """Answers malformed HTTP, and limits what a client may send, and how slowly.

    A head must arrive within `header_timeout_s`, and so must the rest of a refused body.
    """

    header_timeout_s = 10.0
    header_bytes = 32 * 1024
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _progress = False  # a head, a part of a body or its end was in the data at hand
    _pending = 0  # bytes since then
    _line_ended = False  # among them
    _discarded = 0

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first head."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Cork(transport, self.loop))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of a connection that has ended."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes, within the limits."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._progress = False
        if self._discards():
            self._discarded += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(_status_of(error, data))
            return
        self._count(data)
        self._bound_wait()

    def on_message_begin(self) -> None:
        """Note that a head began."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head. Ignore the fields after a body."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the body has a coding whose end is unknown."""
        self._in_head, self._progress = False, True
        self._stop_timer()
        codings = b",".join(value for name, value in self.headers if name == b"transfer-encoding")
        if codings and codings.strip().lower() != b"chunked":
            raise _UnknownCodingError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is complete, whether or not a handler reads it."""
        self._progress = True
        super().on_message_complete()
        self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Prepare for the next request of the connection."""
        self._discarded = 0
        super().on_response_complete()
        if self._discards() and self.expect_100_continue:
            self.transport.close()  # the next bytes could be the body or another head
        self._bound_wait()

    def _feed(self, data: bytes) -> None:
        """Parse, and ignore requests to upgrade to another protocol."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            else:
                return

    def _count(self, data: bytes) -> None:
        """Refuse a head, or fields after a body, that are too long. Cut off a long unread body."""
        if self._progress:
            self._pending, self._line_ended = 0, False
        else:
            self._pending += len(data)
            self._line_ended = self._line_ended or b"\n" in data
        if self._pending > self.header_bytes:
            too_long = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(too_long if self._line_ended else HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self._discarded > _MOST_DISCARDED:
            self.transport.abort()

    def _bound_wait(self) -> None:
        """Start the timer for the next bytes, unless an answer with its own limits is under way."""
        latest = self._latest()
        if (latest and not latest.response_complete) or self.transport.is_closing():
            return
        if self._in_head or self._pending or self._discards():
            if self._timer is None:
                self._start_timer()
            return
        self._stop_timer()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _discards(self) -> bool:
        """Return whether a body is still arriving whose request was already answered."""
        latest = self._latest()
        return latest is not None and latest.response_complete and latest.more_body

    def _latest(self) -> RequestResponseCycle | None:
        """Return the last request; None before the first, which the parent's annotation omits."""
        return cast("RequestResponseCycle | None", self.cycle)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(
            self.header_timeout_s, self._refuse, HTTPStatus.REQUEST_TIMEOUT
        )

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer a malformed request with an error if possible, and close the connection."""
        if not self._may_answer():
            self.transport.abort()
            return
        allow = b"allow: OPTIONS, GET, HEAD, PUT, POST, DELETE\r\n"
        message = status.description.encode() or status.phrase.encode()
        head = (
            b"content-type: text/plain; charset=utf-8\r\n",
            b"content-length: %d\r\n" % len(message),
            b"connection: close\r\n",
            allow if status is HTTPStatus.METHOD_NOT_ALLOWED else b"",
        )
        self.transport.write(b"".join((STATUS_LINE[status], *head, b"\r\n", message)))
        self.transport.close()

    def _may_answer(self) -> bool:
        """Return whether the client would see an answer now as one to the refused request."""
        latest = self._latest()
        if latest is None:
            return True
        if self.pipeline or latest.response_complete == latest.more_body:
            return False  # another answer comes first, or this request was answered
        return latest.response_complete or not latest.response_started


def _status_of(error: httptools.HttpParserError, data: bytes) -> HTTPStatus:
    """Return the status for data that could not be parsed."""
    if isinstance(error.__context__, _UnknownCodingError):
        return HTTPStatus.NOT_IMPLEMENTED
    unknown = isinstance(error, httptools.HttpParserInvalidMethodError)
    if (unknown or data.startswith(b"CONNECT ")) and _REQUEST_LINE.match(data):
        return HTTPStatus.METHOD_NOT_ALLOWED
    return HTTPStatus.BAD_REQUEST


class Cork:
    """A transport that sends all writes of one turn of the loop in one system call."""

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
