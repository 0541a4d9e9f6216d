"""uvicorn's HTTP/1.1 protocol, with the limits it lacks: slow and long heads, unread bodies."""

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

# What a client may still send of a body that was refused before the connection is cut.
_MOST_DISCARDED = 16 * 1024 * 1024
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]")


class _UnknownCodingError(Exception):
    """A transfer coding other than chunked, which nobody here can undo."""


class LimitedProtocol(HttpToolsProtocol):
    """Answers malformed HTTP, and bounds what a client may send or leave unsent.

    A head has `header_timeout_s` to arrive in, and so has the rest of a body that was not wanted.
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
        """Expect a head in time."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Cork(transport, self.loop))
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within the limits."""
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
        """Take note that a head began."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; what comes behind a body is not heard."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the end of the body cannot be known."""
        self._in_head, self._progress = False, True
        self._stop_timer()
        codings = b",".join(value for name, value in self.headers if name == b"transfer-encoding")
        if codings and codings.strip().lower() != b"chunked":
            raise _UnknownCodingError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that the body is complete, wanted or not."""
        self._progress = True
        super().on_message_complete()
        self.cycle.more_body = False

    def on_response_complete(self) -> None:
        """Be ready for the next request."""
        self._discarded = 0
        super().on_response_complete()
        if self._discards() and self.expect_100_continue:
            self.transport.close()  # the body may never come, and the next head not be told from it
        self._bound_wait()

    def _feed(self, data: bytes) -> None:
        """Parse, whatever other protocol a client would rather speak."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            else:
                return

    def _count(self, data: bytes) -> None:
        """Refuse a head, or fields behind a body, that are too long, and an unwanted body."""
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
        """Limit the wait for what comes next; an answer under way has limits of its own."""
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
        """Tell whether a body is still coming though its request was answered."""
        latest = self._latest()
        return latest is not None and latest.response_complete and latest.more_body

    def _latest(self) -> RequestResponseCycle | None:
        """Return the last request, None before the first; the parent's annotation forgets that."""
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
        """Answer what is no request, and close."""
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
        """Tell whether an answer now would be taken for one to what was refused."""
        latest = self._latest()
        if latest is None:
            return True
        if self.pipeline or latest.response_complete == latest.more_body:
            return False  # another answer is due, or this request was answered
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
