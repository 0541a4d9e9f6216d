"""A TCP forwarder for each client, so that one client can be cut off from some servers.

All clients reach a node from the same bridge address, so no rule in the node's network could tell
them apart. A cut is silence, as in a network: nothing is refused and nothing arrives. When it is
mended, what was held back goes on.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.clients.event_loop import EventLoop

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 1 << 16
TIMEOUT_S = 60.0


@dataclass(slots=True)
class _Link:
    """The way from one client to one node.

    Attributes:
        held: messages and connections that had to wait because of a cut.
        connections: how many are open.
    """

    host: str
    port: int
    open: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    connections: int = 0

    async def passed(self) -> None:
        """Wait until the link is open."""
        if not self.open.is_set():
            self.held += 1
            await self.open.wait()


class Forwarder:
    """One client's connections to all nodes, through one listening port for each."""

    def __init__(self, loop: EventLoop, servers: Mapping[int, str]) -> None:
        self._loop = loop
        self._links: dict[int, _Link] = {}
        for id, address in servers.items():
            host, _, port = address.replace("[", "").replace("]", "").rpartition(":")
            self._links[id] = _Link(host, int(port))
        self._listening: dict[int, asyncio.Server] = {}

    @property
    def hosts(self) -> str:
        """Return the connect string for this client."""
        ports = (server.sockets[0].getsockname()[1] for server in self._listening.values())
        return ",".join(f"{LOOPBACK}:{port}" for port in ports)

    @property
    def held(self) -> int:
        """Return how many messages and connections have had to wait so far."""
        return sum(link.held for link in self._links.values())

    def connections(self, nodes: Collection[int]) -> int:
        """Return how many connections to these nodes are open."""
        return sum(self._links[id].connections for id in nodes)

    def cut(self, nodes: Collection[int]) -> None:
        """Let nothing through to and from these nodes."""
        for id in nodes:
            self._loop.tell(self._links[id].open.clear)

    def mend(self, nodes: Collection[int]) -> None:
        """Let everything through again to and from these nodes."""
        for id in nodes:
            self._loop.tell(self._links[id].open.set)

    async def listen(self) -> None:
        """Listen on one port for each node."""
        for id, link in self._links.items():
            link.open.set()
            self._listening[id] = await asyncio.start_server(_accept(link), LOOPBACK, 0)

    async def close(self) -> None:
        """Close the listening ports; open connections stay."""
        for server in self._listening.values():
            server.close()


class Forwarding:
    """The forwarders of all clients of a run, on one event loop."""

    def __init__(self, servers: Mapping[int, str]) -> None:
        self._servers = servers
        self._all: list[Forwarder] = []
        self._loop = EventLoop()

    def forwarder(self) -> Forwarder:
        """Return a new client's forwarder, which listens."""
        new = Forwarder(self._loop, self._servers)
        self._loop.wait(new.listen(), TIMEOUT_S)
        self._all.append(new)
        return new

    def close(self) -> None:
        """Close every connection and end the thread; doing it twice is fine."""
        while self._all:
            self._loop.wait(self._all.pop().close(), TIMEOUT_S)
        self._loop.close()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def _accept(link: _Link) -> Serve:
    async def serve(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        forth = None
        link.connections += 1
        try:
            await link.passed()
            far, forth = await asyncio.open_connection(link.host, link.port)
            # Either end that closes ends both: ZooKeeper's clients never half-close.
            ways = [
                asyncio.ensure_future(w) for w in (_pump(near, forth, link), _pump(far, back, link))
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server refused, or the run is over: the client sees its connection close
        finally:
            link.connections -= 1
            for writer in (back, forth):
                if writer is not None:
                    writer.close()

    return serve


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await link.passed()
        writer.write(data)
        await writer.drain()
