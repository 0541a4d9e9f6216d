"""A ZooKeeper server on a socket, with its data in memory: real clients, no Docker, no JVM.

    with WireZooKeeper() as server:
        queue = Queue.connect(server.address)
        with server.leader_now() as leader:      # nothing else happens meanwhile
            leader.multi(leader.open_session(), [Create("/queue/items/note")])

One thread serves every connection, one request after the other, so the leader's log is the order
in which everything happened. Sessions end when their client was silent for its time-out.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from worlds.memory.zookeeper import READ, Follower, Leader, Watch
from worlds.proxy.protocol import INT, NO_NODE, Opcode, frame, read_handshake
from worlds.proxy.session import no_delay
from worlds.wire import codec
from worlds.wire.codec import Asked, asked
from zkmq.zookeeper.store import Code, Op

START_MS = 1_700_000_000_000
TICK_S = 0.02
LONGEST_TIMEOUT_MS = 40_000
# What a server takes of one request (jute.maxbuffer).
MAX_REQUEST_BYTES = 1_048_575
SEND_WITHIN_S = 5.0
SRVR = b"Zookeeper version: 3.9.4-in-memory, built on no date\nMode: standalone\n"
CHANGED, DELETED, CHILD = 3, 2, 4
UNIMPLEMENTED, NO_WATCHER = -6, -121

# What a multi is refused with before it is looked at: (the code, whether by the reply's header).
Refusal = tuple[int, bool]
Refuses = Callable[[int, Sequence[Op]], Refusal | None]
Hears = Callable[[int, Asked], None]


def _never(session: int, ops: Sequence[Op]) -> None:
    """Refuse nothing of its own accord."""


def _ignore(session: int, request: Asked) -> None:
    """Nobody listens."""


@dataclass(eq=False)
class Connection:
    """One client's connection."""

    sock: socket.socket
    session: int = 0
    received: bytearray = field(default_factory=bytearray)
    watches: set[Watch] = field(default_factory=set)
    is_open: bool = True


class WireZooKeeper:
    """Listens on a port of its own, from `start` or `with` on.

    Attributes:
        refuses: asked about every multi; what it returns is the answer, and nothing is applied.
        hears: called with every request before it is served.
        silent: what comes is thrown away, on connections that stay open.
        expires: sessions end by their time-out.
        old: of a release before 3.6, which reads one thing at a time.
        shortest_timeout_ms: of a session. Most tests end none by its time-out, and neither may a
            machine that stands still; those that do set it to 0.
    """

    def __init__(
        self,
        *,
        longest_timeout_ms: int = LONGEST_TIMEOUT_MS,
        shortest_timeout_ms: int = LONGEST_TIMEOUT_MS,
    ) -> None:
        self.silent = False
        self.expires = True
        self.old = False
        self._longest_timeout_ms = longest_timeout_ms
        self.shortest_timeout_ms = shortest_timeout_ms
        self.leader = Leader(lambda: START_MS + int(time.monotonic() * 1000))
        self.refuses: Refuses = _never
        self.hears: Hears = _ignore
        self.errors: list[str] = []
        self._follower = Follower(self.leader)
        self.leader.observers.append(lambda each: self._follower.catch_up(each.zxid))
        self._lock = threading.RLock()
        self._timeouts_ms: dict[int, int] = {}
        self._heard_s: dict[int, float] = {}
        self._connections: dict[int, Connection] = {}
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="wire-zookeeper", daemon=True)

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @contextlib.contextmanager
    def leader_now(self) -> Iterator[Leader]:
        """Look at the data, or change it, while nothing is served."""
        with self._lock:
            yield self.leader

    def dump(self) -> dict[str, bytes]:
        """The whole tree, path -> data."""
        with self._lock:
            return {path: node.data for path, node in self.leader.tree.nodes.items()}

    def expire(self, session: int) -> None:
        """End a session, as its time-out would."""
        with self._lock:
            self._end(session)
            if session in self._connections:
                self._hang_up(self._connections[session])

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody."""
        self._stopping = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._serve_what_came()
            except Exception as error:  # noqa: BLE001 - the test that uses this fails for it
                self.errors.append(f"the server itself: {error!r}")

    def _serve_what_came(self) -> None:
        ready = self._selector.select(TICK_S)
        with self._lock:
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data.is_open:  # what came before may have ended it
                    self._read(key.data)
            self._expire()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the client was faster
            sock, _ = self._listener.accept()
            no_delay(sock).settimeout(SEND_WITHIN_S)
            self._selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def _read(self, connection: Connection) -> None:
        try:
            received = connection.sock.recv(2**16)
        except OSError:
            received = b""
        if not received:
            self._hang_up(connection)
            return
        if self.silent:
            return
        connection.received += received
        try:
            self._frames(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test that uses this fails
            self.errors.append(f"session {connection.session}: {error!r}")
            self._hang_up(connection)

    def _frames(self, connection: Connection) -> None:
        buffer = connection.received
        while connection.is_open and len(buffer) >= INT.size:
            if buffer[: INT.size] == b"srvr":
                self._send(connection, SRVR)
                self._hang_up(connection)
                return
            length = INT.unpack_from(buffer)[0]
            if length > MAX_REQUEST_BYTES:
                self._hang_up(connection)
                return
            if len(buffer) < INT.size + length:
                return
            body = bytes(buffer[INT.size : INT.size + length])
            del buffer[: INT.size + length]
            if connection.session:
                self._request(connection, asked(body))
            else:
                self._greet(connection, body)

    def _greet(self, connection: Connection, body: bytes) -> None:
        wanted = read_handshake(body)
        session = wanted.session
        if not session:
            session = self.leader.open_session()
            self._timeouts_ms[session] = min(
                max(wanted.timeout_ms, self.shortest_timeout_ms), self._longest_timeout_ms
            )
        if session not in self.leader.sessions or (
            wanted.session and wanted.password != _password(session)
        ):
            self._send(connection, codec.welcome(0, bytes(16), 0))
            self._hang_up(connection)
            return
        if session in self._connections:
            self._hang_up(self._connections[session])
        connection.session = session
        self._connections[session] = connection
        self._heard_s[session] = time.monotonic()
        welcome = codec.welcome(session, _password(session), self._timeouts_ms[session])
        self._send(connection, welcome)

    def _request(self, connection: Connection, request: Asked) -> None:
        session = connection.session
        self._heard_s[session] = time.monotonic()
        self.hears(session, request)
        match request.opcode:
            case Opcode.CLOSE:
                self._end(session)
                self._answer(connection, request)
                self._hang_up(connection)
            case Opcode.MULTI:
                self._multi(connection, request)
            case Opcode.MULTI_READ if self.old:
                self._answer(connection, request, error=UNIMPLEMENTED)
            case Opcode.MULTI_READ:
                views = codec.views(self.leader, request.reads)
                self._answer(connection, request, views)
            case Opcode.PING | Opcode.AUTH:
                self._answer(connection, request)
            case Opcode.REMOVE_WATCHES if self.old:
                self._answer(connection, request, error=UNIMPLEMENTED)
            case Opcode.REMOVE_WATCHES:
                found = [each for each in connection.watches if each.path == request.path]
                connection.watches.difference_update(found)
                self._follower.forget(set(found))
                self._answer(connection, request, error=0 if found else NO_WATCHER)
            case Opcode.SYNC:
                self._answer(connection, request, frame(request.path.encode()))
            case _:
                self._look(connection, request)

    def _multi(self, connection: Connection, request: Asked) -> None:
        ops = request.ops
        refusal = self.refuses(connection.session, ops)
        if refusal is not None:
            code, whole = refusal
            body = b"" if whole else codec.refused(0, code, len(ops))
            self._answer(connection, request, body, error=code if whole else 0)
            return
        transaction, rejected = self.leader.multi(connection.session, ops)
        if rejected is not None:
            code = codec.number_of(rejected)
            self._answer(connection, request, codec.refused(rejected.index, code, len(ops)))
            return
        self._answer(connection, request, codec.results(self.leader.tree, ops, transaction))

    def _look(self, connection: Connection, request: Asked) -> None:
        node = self.leader.tree.nodes.get(request.path)
        children = request.opcode is Opcode.GET_CHILDREN2
        exists = request.opcode is Opcode.EXISTS
        leader, path = self.leader, request.path
        allowed = leader.allows_stat(path) if exists else leader.allows(path, READ)
        if node is not None and not allowed:
            self._answer(connection, request, error=Code.NO_AUTH.value)
            return
        if request.watch and (node is not None or exists):
            self._watch(connection, request.path, children=children)
        if node is None:
            self._answer(connection, request, error=NO_NODE)
        elif children:
            names = codec.names(sorted(node.children))
            self._answer(connection, request, names + codec.stat(node))
        else:
            self._answer(connection, request, codec.stat(node) if exists else codec.data(node))

    def _watch(self, connection: Connection, path: str, *, children: bool) -> None:
        def fire() -> None:
            if watch in connection.watches:
                connection.watches.discard(watch)
                there = path in self._follower.tree.nodes
                kind = (CHILD if children else CHANGED) if there else DELETED
                self._send(connection, codec.event(kind, path))

        watch = Watch(fire, path)
        connection.watches.add(watch)
        if children:
            self._follower.watch_children(path, watch)
        else:
            self._follower.watch_node(path, watch)

    def _answer(
        self, connection: Connection, request: Asked, body: bytes = b"", *, error: int = 0
    ) -> None:
        self._send(connection, codec.answer(request.xid, self.leader.zxid, error, body))

    def _send(self, connection: Connection, message: bytes) -> None:
        try:
            connection.sock.sendall(message)
        except OSError:
            self._hang_up(connection)

    def _expire(self) -> None:
        now_s = time.monotonic()
        if not self.expires:
            return
        for session, heard_s in list(self._heard_s.items()):
            if now_s - heard_s > self._timeouts_ms[session] / 1000:
                self.expire(session)

    def _end(self, session: int) -> None:
        self._heard_s.pop(session, None)
        self._timeouts_ms.pop(session, None)
        self.leader.close_session(session)

    def _hang_up(self, connection: Connection) -> None:
        if not connection.is_open:
            return
        connection.is_open = False
        self._follower.forget(connection.watches)
        connection.watches.clear()
        if self._connections.get(connection.session) is connection:
            del self._connections[connection.session]
        self._selector.unregister(connection.sock)
        connection.sock.close()


def _password(session: int) -> bytes:
    return session.to_bytes(16, "big")
