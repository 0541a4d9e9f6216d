"""Buffered sockets for kazoo, in a process that also runs an event loop.

kazoo makes eight system calls for each request. Each call gives the interpreter's lock to the busy
loop. The sockets here send and receive several requests in one call. kazoo gets them from its
handler's methods `create_connection`, `create_socket_pair` and `select`.
"""

import asyncio
import contextlib
import select
import socket
import ssl
import threading
from typing import Any

from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.states import Callback

from zkmq.zookeeper.session import tls

_CHUNK = 64 * 1024
_PATIENCE_S = 10.0


class LoopHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's handler without worker threads: completions and watches go to the event loop.

    While a handler is not `running`, kazoo calls a result's callbacks in its own thread at once.
    """

    running = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def start(self) -> None:
        """Start no threads, unlike the parent."""

    def stop(self) -> None:
        """Do nothing, since there are no threads to stop."""

    def dispatch_callback(self, callback: Callback) -> None:
        """Call a watch's callback in the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback.func, *callback.args)

    def create_connection(self, **kwargs: Any) -> "BufferedSocket":
        """Connect to a server, with buffers around the socket."""
        return BufferedSocket(tls.connect(super().create_connection, **kwargs))

    def create_socket_pair(self) -> tuple["WakeReader", "WakeWriter"]:
        """Make the two ends with which callers wake kazoo's thread."""
        reader, writer = super().create_socket_pair()
        wake = WakeReader(reader)
        return wake, WakeWriter(writer, wake)

    def select(
        self, rlist: list[Any], wlist: list[Any], _xlist: list[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait until there is something to do for kazoo.

        Requests to send come before replies. The buffers are flushed when there are no more
        requests. A `BufferedSocket` can always be written to.
        """
        if wlist:
            return [], wlist, []
        waking = [sock for sock in rlist if isinstance(sock, WakeReader) and sock.waiting]
        if waking:
            return waking, [], []
        buffered = [sock for sock in rlist if isinstance(sock, BufferedSocket)]
        for sock in buffered:
            sock.flush()
        return [sock for sock in buffered if sock.pending()] or _poll(rlist, timeout), [], []


class BufferedSocket:
    """A non-blocking socket with buffers: it receives ahead, and sends at `flush`.

    The rest is the socket's own. At `close`, bytes that were not flushed are lost, as in a broken
    connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = b""
        self._read = 0
        self._unsent = bytearray()

    def pending(self) -> int:
        """Return how many bytes were received and not read yet. kazoo asks before it waits."""
        ahead = len(self._received) - self._read
        if not ahead and isinstance(self._sock, ssl.SSLSocket):
            return self._sock.pending()  # decrypted already: the descriptor shows nothing of it
        return ahead

    def recv(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; empty at the end of the connection."""
        if self._read == len(self._received):
            self._received, self._read = self._sock.recv(max(size, _CHUNK)), 0
        data = self._received[self._read : self._read + size]
        self._read += len(data)
        return data

    def send(self, data: bytes) -> int:
        """Take bytes to send at the next `flush`."""
        self._unsent += data
        if len(self._unsent) > _CHUNK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send everything, and wait for the peer if its buffers are full.

        Raises:
            OSError: the connection is broken.
        """
        while self._unsent:
            try:
                sent = self._sock.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._await_room()
            else:
                del self._unsent[:sent]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _await_room(self) -> None:
        poller = select.poll()
        poller.register(self._sock, select.POLLOUT)
        if not poller.poll(_PATIENCE_S * 1000):
            raise TimeoutError("the server does not read")


class WakeReader:
    """The end on which kazoo's thread waits: a counter, and a byte in the socket if it is > 0."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.lock = threading.Lock()
        self.waiting = 0

    def recv(self, _size: int) -> bytes:
        """Take the wake-up of one request."""
        with self.lock:
            if not self.waiting:
                return b""
            self.waiting -= 1
            if not self.waiting:
                self._sock.recv(1)
        return b"\0"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class WakeWriter:
    """The end to which callers write one byte for each request."""

    def __init__(self, sock: socket.socket, reader: WakeReader) -> None:
        self._sock = sock
        self._reader = reader

    def send(self, data: bytes) -> int:
        """Wake kazoo's thread, unless it is awake."""
        with self._reader.lock:
            self._reader.waiting += 1
            if self._reader.waiting == 1:
                self._sock.send(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _poll(socks: list[Any], timeout_s: float | None) -> list[Any]:
    poller = select.poll()
    for sock in socks:
        poller.register(sock, select.POLLIN)
    ready = {fd for fd, _ in poller.poll(None if timeout_s is None else timeout_s * 1000)}
    return [sock for sock in socks if sock.fileno() in ready]
