"""A server's wall clock, as the server itself reports it.

A server notes by its own wall clock when each connection was established, and `cons` reports that.
A ctime would show the leader's clock only, since followers stamp no writes. A new process in the
server's container would not do either: the server itself caches the time for seconds.
Source: ZooKeeper's ServerCnxn.dumpConnectionInfo (`est`) and ConnectRequest (jute).
"""

import re
import socket
import struct

from cluster.pods.probe import four_letter_word

TIMEOUT_S = 2.0
SESSION_MS = 4000
_CONNECT = struct.pack(">iqiqi", 0, 0, SESSION_MS, 0, 16) + bytes(17)  # no password, not read-only
_CLOSE = struct.pack(">ii", 1, -11)
_ANSWER = struct.Struct(">iiq")  # protocol, timeout, session


def told_ms(address: tuple[str, int]) -> int | None:
    """Return the server's wall clock in milliseconds since 1970; None if it does not serve.

    It opens a session, asks when the server says that it began, and closes it.
    """
    try:
        with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
            connection.sendall(_framed(_CONNECT))
            session = _ANSWER.unpack_from(_read(connection))[2]
            told = established_ms(four_letter_word(address, "cons", timeout_s=TIMEOUT_S), session)
            connection.sendall(_framed(_CLOSE))
            _read(connection)
            return told
    except (OSError, EOFError):
        return None


def established_ms(connections: str, session: int) -> int | None:
    """Return when a session's connection was established, from the answer to `cons`."""
    mine = rf"\bsid=0x{session & 0xFFFF_FFFF_FFFF_FFFF:x},.*?\best=(\d+)"
    found = re.search(mine, connections)
    return None if found is None else int(found[1])


def _framed(message: bytes) -> bytes:
    return struct.pack(">i", len(message)) + message


def _read(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError("the server hung up")
        found += part
    return found
