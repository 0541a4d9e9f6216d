"""kazoo's connection as the store needs it: it never blocks a caller, and no answer ends it.

It replaces these habits of kazoo's own connection:
- One wake-up byte stands for one request, so one lost byte delays every later request.
- An unknown error number ends the connection's thread, and so the client.
- A connection that breaks during SASL counts as refused credentials.
- A handshake of TLS that fails for good is tried again for ever.
- Passwords are written to the log.
- The granted timeout, and when a server last heard the client, are not kept.
"""

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

from kazoo.exceptions import (
    EXCEPTIONS,
    AuthFailedError,
    ConnectionDropped,
    NoNodeError,
    SASLException,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.connection import AUTH_XID, ConnectionHandler, RWServerAvailable
from kazoo.protocol.serialization import SASL, Auth, CloseInstance, Connect, Exists, int_struct

SECRET = (Auth, Connect, SASL)
EXPECTED = (
    AuthFailedError,
    ConnectionDropped,
    KazooTimeoutError,
    RWServerAvailable,
    SessionExpiredError,
)
NO_SASL = (
    "in SASL; if the servers are in FIPS mode, 3.9's default, fips-mode=false lets them use MD5"
)
WAKE_UPS = 4096
# How many requests are sent before answers are looked at again.
AT_ONCE = 16


class ServerError(Exception):
    """A server answered with an error number for which kazoo has no class."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class DiscreetConnection(ConnectionHandler):  # type: ignore[misc]
    """kazoo's connection, which writes no password to the log, and outlives unknown errors."""

    def _submit(self, request: Any, timeout: float, xid: int | None = None) -> None:
        if not isinstance(request, SECRET):
            super()._submit(request, timeout, xid)
            return
        self.logger.debug("Sending request(xid=%s): %s", xid, type(request).__name__)
        head = b"".join(int_struct.pack(part) for part in (xid, request.type) if part)
        body = head + request.serialize()
        self._write(int_struct.pack(len(body)) + body, timeout)

    def _read_response(self, header: Any, buffer: bytes, offset: int) -> Any:
        pending = self.client._pending  # noqa: SLF001 - as kazoo's own does
        request, result, _ = pending[0]
        is_absent = header.err == NoNodeError.code and request.type == Exists.type
        if not header.err or is_absent or result is None:
            return super()._read_response(header, buffer, offset)
        pending.popleft()
        known = header.err in EXCEPTIONS
        error: Any = EXCEPTIONS[header.err]() if known else ServerError(header.err)
        error.zxid = header.zxid
        result.set_exception(error)
        return None


class StoreConnection(DiscreetConnection):
    """One client's connection, run by its own thread.

    Attributes:
        granted_s: the session's timeout that the server granted.
        answered_s: when the last request that was answered was sent. A server heard this client
            then, or later.
        forsaken: the session that was reported as lost. If a server still has it, it is closed.
        failure: the error that ended the connection for good.
        on_end: called by the thread when it ends. kazoo does not report the end of a client that
            was never connected.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.granted_s = 0.0
        self.answered_s = float("-inf")
        self.forsaken: int | None = None
        self.failure: Exception | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._asked_s: dict[int, float] = {}
        self._xid: int = 0
        self._was_let_in = False
        # Why the last handshake with each server failed, where another one would fail, too.
        self._mistrust: dict[tuple[str, int], ssl.SSLError] = {}
        self._abandoned = False

    def wake(self) -> None:
        """Make the thread look for requests; never blocks."""
        # A full pipe means that the thread is awake, None that it has ended.
        with contextlib.suppress(OSError, AttributeError):
            self._write_sock.send(b"\0")

    def drop(self) -> None:
        """Break the current connection, from any thread. The session continues."""
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not the shutdown of TLS sockets, which breaks the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def abandon(self) -> None:
        """End the thread when it can: while it waits for a server to accept, nothing wakes it."""
        self._abandoned = True
        self.drop()
        if self.connection_stopped.is_set():
            self.close()

    def zk_loop(self) -> None:
        """Keep connected until the client is stopped."""
        try:
            super().zk_loop()
        except Exception as error:  # noqa: BLE001 - the store reads it and raises its own
            self.failure = error
        finally:
            if self._abandoned:
                self.close()
            self.on_end()

    def _connect(self, host: str, hostip: str, port: int) -> tuple[float, float]:
        self._asked_s.clear()
        try:
            with self._surviving():
                timeouts: tuple[float, float] = super()._connect(host, hostip, port)
        except ConnectionDropped as dropped:
            self._require_trust((host, port), dropped)
            raise
        self._was_let_in = True
        return timeouts

    def _require_trust(self, server: tuple[str, int], dropped: ConnectionDropped) -> None:
        """Give up if no server has ever let us in, and one side's certificate is refused by all.

        Later it may be a certificate that is just being changed.

        Raises:
            AuthFailedError: kazoo ends the client for it.
        """
        if self._was_let_in:
            return
        self._mistrust.pop(server, None)
        if (error := _refused_handshake(dropped)) is not None:
            self._mistrust[server] = error
        if len(self._mistrust) >= len(self.client.hosts):
            self.failure = next(iter(self._mistrust.values()))
            raise AuthFailedError(f"TLS: {self.failure}")

    def _invoke(self, timeout: float, request: Any, xid: int | None = None) -> Any:
        asked_s = time.monotonic()
        answer = super()._invoke(timeout, request, xid)
        if isinstance(request, Connect) and answer[0].time_out > 0:
            self.granted_s = answer[0].time_out / 1000
            self.answered_s = asked_s
            if answer[0].session_id == self.forsaken:
                self._close_forsaken(timeout)
        return answer

    def _close_forsaken(self, timeout: float) -> None:
        """Close a session that was reported as lost, so that what it held is free at once."""
        self._submit(CloseInstance, timeout, 1)
        with contextlib.suppress(ConnectionDropped, KazooTimeoutError):
            self._read_header(timeout)
        raise SessionExpiredError("it was told to be lost")

    def _authenticate_with_sasl(self, host: str, timeout: float) -> None:
        try:
            super()._authenticate_with_sasl(host, timeout)
        except AuthFailedError as error:
            if self._was_let_in:  # the servers accepted the same credentials before
                raise ConnectionDropped(f"in SASL: {error}") from error
            self.failure = AuthFailedError(NO_SASL)
            raise self.failure from error

    def _submit(self, request: Any, timeout: float, xid: int | None = None) -> None:
        if xid and xid != AUTH_XID:
            # Keep the oldest of several pings, whose answers cannot be told apart.
            self._asked_s.setdefault(xid, time.monotonic())
        super()._submit(request, timeout, xid)

    def _read_header(self, timeout: float) -> Any:
        header, body, offset = super()._read_header(timeout)
        asked_s = self._asked_s.pop(header.xid, None)
        if asked_s is not None:
            self.answered_s = asked_s
        return header, body, offset

    def _read_socket(self, read_timeout: float) -> Any:
        with self._surviving():
            return super()._read_socket(read_timeout)

    def _send_request(self, read_timeout: float, connect_timeout: float) -> None:
        """Send the queued requests. One wake-up may stand for several requests, or for none."""
        with contextlib.suppress(BlockingIOError):
            self._read_sock.recv(WAKE_UPS)
        with self._surviving():
            for _ in range(AT_ONCE):
                if not self.client._queue:  # noqa: SLF001 - as kazoo's own does
                    return
                self._send_first(connect_timeout)
        self.wake()

    def _send_first(self, connect_timeout: float) -> None:
        client = self.client
        request, result = client._queue[0]  # noqa: SLF001 - as kazoo's own does
        is_auth = request.type == Auth.type
        if not is_auth:
            self._xid = self._xid % 2147483647 + 1
        xid = AUTH_XID if is_auth else self._xid
        # Remove it only after the send, so that a break here still fails the request.
        self._submit(request, connect_timeout, xid)
        client._queue.popleft()  # noqa: SLF001
        client._pending.append((request, result, xid))  # noqa: SLF001

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        """Turn any unexpected error into a broken connection, so that the thread reconnects."""
        try:
            yield
        except EXPECTED:
            raise
        except SASLException as error:
            self.failure = error
            raise
        except Exception as error:
            self.logger.log(logging.WARNING, "unusable: %r", error)
            raise ConnectionDropped(f"unusable: {error!r}") from error


def _refused_handshake(dropped: ConnectionDropped) -> ssl.SSLError | None:
    """Return why a server and this client do not believe each other; None if that is not why."""
    error = dropped.__context__  # kazoo raises its own error in the handler of the socket's
    refused = isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, ssl.SSLError)
        and "ALERT" in (error.reason or "")
        and "INTERNAL_ERROR" not in error.reason  # of a server that is just starting
    )
    return error if refused else None
