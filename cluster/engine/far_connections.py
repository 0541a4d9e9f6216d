"""Connections to an engine on another machine, which end when nothing is heard of that machine.

Without this a request whose answer cannot come any more waits as long as a slow one may: a cable
that is pulled refuses nothing. The kernels of both machines answer each other also while the engine
itself is busy, so a slow engine is not taken for one that is gone.
"""

import errno
import socket
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from requests import exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

CONNECT_WITHIN_S = 10.0
SILENT_S = 15
_PROBE_S = 5
_NO_WAY = {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}


class FarAdapter(HTTPAdapter):
    """An HTTP adapter whose connections end after SILENT_S without a sign of the other machine."""

    def __init__(self, *, pool_maxsize: int) -> None:
        self._sockets = weakref.WeakSet[socket.socket]()
        super().__init__(pool_maxsize=pool_maxsize)

    def init_poolmanager(self, *sizes: Any, **settings: Any) -> None:
        """Make the pool of connections."""
        settings["socket_options"] = [*HTTPConnection.default_socket_options, *_options()]
        super().init_poolmanager(*sizes, **settings)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _noting(HTTPConnectionPool, self._sockets),
            "https": _noting(HTTPSConnectionPool, self._sockets),
        }

    def break_off(self) -> None:
        """End all connections, so that requests which wait for an answer end, too."""
        for one in list(self._sockets):
            with suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # of TLS, too, which may be reading


def _noting(
    pool: type[HTTPConnectionPool], sockets: weakref.WeakSet[socket.socket]
) -> type[HTTPConnectionPool]:
    """Return a class of pools that adds each new connection's socket."""

    class Connection(pool.ConnectionCls):  # type: ignore[name-defined, misc]
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class Pool(pool):  # type: ignore[valid-type, misc]
        ConnectionCls = Connection

    return Pool


def _options() -> Iterator[tuple[int, int, int]]:
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    wanted = {
        "TCP_KEEPIDLE": _PROBE_S,
        "TCP_KEEPINTVL": _PROBE_S,
        "TCP_KEEPCNT": SILENT_S // _PROBE_S - 1,
        "TCP_USER_TIMEOUT": SILENT_S * 1000,  # for a request that is on its way
    }
    for name, value in wanted.items():
        if hasattr(socket, name):  # names of Linux; others have some of them
            yield socket.IPPROTO_TCP, getattr(socket, name), value


def limited(timeout_s: float) -> tuple[float, float]:
    """Return how long to wait for a connection, and then for each part of an answer."""
    return min(CONNECT_WITHIN_S, timeout_s), timeout_s


def is_silent(error: BaseException | None) -> bool:
    """Tell whether an error means that the other machine is not reached, and not: it refuses."""
    if error is None:
        return False
    if isinstance(error, exceptions.ConnectTimeout):
        return True
    known = isinstance(error, OSError) and error.errno in _NO_WAY
    return known or is_silent(error.__cause__ or error.__context__)
