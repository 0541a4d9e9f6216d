"""What each server says of itself: its answer to `srvr`, which servers allow by default."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kazoo.hosts import collect_hosts

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
    latency = _found(r"^Latency min/avg/max: [^/\n]*/([0-9.]{1,20})/", said)
    return ServerStatus(
        address,
        mode=_found(r"^Mode: (\w+)", said),
        version=_found(r"^Zookeeper version: ([^\s,-]+)", said),
        zxid=_found(r"^Zxid: (0x[0-9a-f]+)", said),
        latency_ms=_number(latency),
        connections=_count(r"^Connections: ([0-9]{1,18})\s*$", said),
        outstanding=_count(r"^Outstanding: ([0-9]{1,18})\s*$", said),
        nodes=_count(r"^Node count: ([0-9]{1,18})\s*$", said),
    )


def _found(pattern: str, said: str) -> str | None:
    match = re.search(pattern, said, re.MULTILINE)
    return match[1] if match else None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _count(pattern: str, said: str) -> int | None:
    text = _found(pattern, said)
    return None if text is None else int(text)
