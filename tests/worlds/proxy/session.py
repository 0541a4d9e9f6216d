"""A bare ZooKeeper session of the proxy's own: to end a client's, or to deliver what is late."""

import socket
from types import TracebackType
from typing import Self

from worlds.proxy.protocol import (
    INT,
    REQUEST_HEADER,
    Opcode,
    Reply,
    Request,
    frame,
    read_handshake_reply,
    read_reply,
    write_handshake,
)

TIMEOUT_MS = 10_000
# Below every xid that a client uses, and none of the special ones.
XID = 2**31 - 2
# Only a machine that others keep busy needs more than a moment.
ANSWER_WITHIN_S = 60.0
ASKED = 3


def receive(sock: socket.socket) -> bytes:
    """Read one frame's body; b"" at the end of the stream, or if it was cut."""
    head = _exactly(sock, INT.size)
    return _exactly(sock, INT.unpack(head)[0]) if head else b""


def no_delay(sock: socket.socket) -> socket.socket:
    """Send small frames at once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        try:
            part = sock.recv(count)
        except OSError:
            return b""
        if not part:
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Session:
    """One session on one connection; leaving the context closes the connection alone."""

    def __init__(self, sock: socket.socket, *, alive: bool) -> None:
        self._sock = sock
        self.alive = alive

    @classmethod
    def open(cls, server: tuple[str, int], session: int = 0, password: bytes = bytes(16)) -> Self:
        """Open a session, or take up one that exists; `alive` tells whether the server agreed."""
        sock = no_delay(socket.create_connection(server, timeout=ANSWER_WITHIN_S))
        sock.sendall(frame(write_handshake(session, password, TIMEOUT_MS)))
        answer = receive(sock)
        return cls(sock, alive=bool(answer) and read_handshake_reply(answer).timeout_ms > 0)

    def ask(self, body: bytes, request: Request) -> Reply | None:
        """Send a request as it is, and wait for its reply; None if the server hung up."""
        self._sock.sendall(frame(body))
        while answer := receive(self._sock):
            if INT.unpack_from(answer)[0] == request.xid:
                return read_reply(answer, request.opcode)
        return None

    def end(self) -> int:
        """End the session; its ephemeral nodes go. Return the zxid at which they went."""
        reply = self._close()
        assert reply is not None, "the server did not answer a close"
        return reply.zxid

    @classmethod
    def end_other(cls, server: tuple[str, int], session: int, password: bytes) -> int | None:
        """End a client's session. None if it is over already, or the client ends it just now."""
        for _ in range(ASKED):
            with cls.open(server, session, password) as other:
                if not other.alive:
                    return None
                if (reply := other._close()) is not None:
                    return reply.zxid
        raise AssertionError(f"the server let in session {session:#x}, and answered no close")

    def _close(self) -> Reply | None:
        body = REQUEST_HEADER.pack(XID, Opcode.CLOSE)
        return self.ask(body, Request(XID, Opcode.CLOSE, ()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sock.close()
