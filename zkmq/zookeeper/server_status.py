"""What each server says of itself: its answer to `srvr`, which servers allow by default."""

import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from kazoo.hosts import collect_hosts

T = TypeVar("T")
ASK_WITHIN_S = 1.0
MOST_BYTES = 65_536
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server. All but `address` is None if it did not answer, or did not say.

    `mode` is "leader", "follower", "observer" or "standalone"; `latency_ms` is the mean.
    """

    address: str
    mode: str | None = None
    version: str | None = None
    zxid: str | None = None
    latency_ms: float | None = None
    connections: int | None = None
    outstanding: int | None = None
    nodes: int | None = None


def ask_servers(hosts: str) -> list[ServerStatus]:
    """Ask all servers of a connection string at once; takes a second if one does not answer."""
    servers, _ = collect_hosts(hosts)
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        return list(threads.map(_ask, servers))


def _ask(server: tuple[str, int]) -> ServerStatus:
    address = "{}:{}".format(*server)
    try:
        with socket.create_connection(server, ASK_WITHIN_S) as connection:
            connection.settimeout(ASK_WITHIN_S)
            connection.sendall(b"srvr")
            said = b""
            while len(said) < MOST_BYTES and (more := connection.recv(4096)):
                said += more
    except OSError:
        return ServerStatus(address)
    return read_status(address, said.decode(errors="replace"))


def read_status(address: str, said: str) -> ServerStatus:
    """Read an answer to `srvr`. What cannot be read is None."""

    def found(pattern: str, kind: Callable[[str], T]) -> T | None:
        match = re.search(pattern, said, re.MULTILINE)
        return kind(match[1]) if match else None

    return ServerStatus(
        address,
        mode=found(r"^Mode: (\w+)", str),
        version=found(r"^Zookeeper version: ([^\s,-]+)", str),
        zxid=found(r"^Zxid: (0x[0-9a-f]+)", str),
        latency_ms=found(r"^Latency min/avg/max: [^/\n]*/([0-9]{1,18}(?:\.[0-9]{1,18})?)/", float),
        connections=found(r"^Connections: ([0-9]{1,18})\s*$", int),
        outstanding=found(r"^Outstanding: ([0-9]{1,18})\s*$", int),
        nodes=found(r"^Node count: ([0-9]{1,18})\s*$", int),
    )
