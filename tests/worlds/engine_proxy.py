"""This machine's Docker engine at a TCP address of loopback, where it can die and come back."""

import contextlib
import socket
import threading

from harness.common.polling import wait_until

ENDS_WITHIN_S = 30.0
CHUNK = 1 << 16


class EngineProxy:
    """Passes bytes to the engine's socket and back, until it is killed; then nothing listens."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._port = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where it listens, the same after it was killed."""
        return f"tcp://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, also after it was killed."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        self._spawn(self._accept, self._listener)

    def kill(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._listener = None
        wait_until(self._ended, within_s=ENDS_WITHIN_S, every_s=0.01)
        assert self._ended()

    def _ended(self) -> bool:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        return not any(thread.is_alive() for thread in self._threads)

    def _spawn(self, run: object, *arguments: socket.socket) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine:
            self._open |= {client, engine}
            try:
                engine.connect(self._path)
                back = threading.Thread(target=_pump, args=(engine, client), daemon=True)
                back.start()
                _pump(client, engine)
                back.join()
            finally:
                self._open -= {client, engine}


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on all that comes, and then its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
