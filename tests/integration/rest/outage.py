"""A ZooKeeper that can go away: a TCP relay in front of a real server."""

import socket
import threading
from contextlib import suppress
from typing import Self

from harness.workers.gateway import hold_port


class Relay:
    """Passes bytes to a server until told to cut (refuse) or freeze (swallow) connections."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._thawed = threading.Event()
        self._thawed.set()
        # How much was read while nothing was passed on.
        self.gathered_bytes = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        # Nobody else gets the port while it is cut.
        self._held = hold_port()
        self.hosts = f"127.0.0.1:{self._held.getsockname()[1]}"
        self._listener = self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thawed.set()
        self.cut()
        self._held.close()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        with suppress(OSError):  # wakes accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            for sock in pair:
                with suppress(OSError):  # closed by its other side
                    sock.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def mend(self) -> None:
        """Take connections again, at the same address."""
        self._listener = self._listen()

    def freeze(self) -> None:
        """Keep connections open but pass nothing on."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Pass on what has gathered."""
        self._thawed.set()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(self._held.getsockname())
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # cut
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._pairs.append((client, server))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # cut
            while data := source.recv(65536):
                if not self._thawed.is_set():
                    self.gathered_bytes += len(data)
                self._thawed.wait()
                sink.sendall(data)
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
