"""One client's session and connection in a `World`: what a real connection does with requests.

Every request may meet a fault; what is around it is affected as on a real connection: what was
in flight is lost or arrives late, late arrivals of a session that has moved are refused, what is
asked while disconnected is not sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from worlds.memory.zookeeper import Follower, Watch
from worlds.sim.scheduler import Flag
from zkmq.errors import ClosedError
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session.wire import encode_acl, multi_bytes
from zkmq.zookeeper.store import MAX_REQUEST_BYTES, Lost, Op, Watcher

if TYPE_CHECKING:
    from worlds.memory.store import World

STALL_S = 3.0
OPEN_ACL = encode_acl(Security.OPEN_ACL)


class Fault(Enum):
    """What can happen to one request."""

    LOSE_REQUEST = "the connection breaks before it arrives"
    LOSE_REPLY = "the connection breaks after it took effect"
    EXPIRE_BEFORE = "the session ends just before it arrives"
    EXPIRE_AFTER = "the session ends just after it took effect"
    STALL = "it arrives seconds later, and all behind it, on a connection that stays up"
    CUT = "it takes effect, and the client is cut off for longer than its session lives"


Faults = Callable[[int, "Request"], Fault | None]


def no_faults(number: int, request: "Request") -> None:
    """Nothing happens to any request."""


@dataclass(eq=False)
class Request:
    """One request and its answer; `serve` runs on the server."""

    serve: Callable[["Connection"], Any]
    ops: Sequence[Op] = ()
    client: str = ""
    flag: Flag = field(default_factory=Flag)
    answer: Any = None


@dataclass(eq=False)
class Connection:
    """One connection of a client to a follower, for one session."""

    session: int
    follower: Follower
    broken: bool = False
    arrival_s: float = 0.0
    reply_s: float = 0.0
    own_zxid: int = 0
    outstanding: list[Request] = field(default_factory=list)
    never: set[int] = field(default_factory=set)
    watches: dict[Watch, Watcher] = field(default_factory=dict)


class MemoryClient:
    """One client's session, on one connection after the other."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self._world = world
        self._scheduler = world.scheduler
        self._closed = False
        self._crashed = False
        self._lost_callbacks: list[Callable[[int], None]] = []
        self._connecting = Flag()
        self._session = world.leader.open_session()
        # All it has had, the current one last.
        self.sessions = [self._session]
        self._seen_zxid = 0
        self._connection: Connection | None = None
        # The one that was opened last, which may be broken.
        self._last: Connection | None = None
        self._attach()

    def close(self, deadline_s: float | None = None) -> None:
        if not self._closed:
            self._closed = True
            self._world.leader.close_session(self._session)
            self._break(self._connection, reconnect_s=None)

    def crash(self) -> None:
        """Lose the process: nothing is closed; the session ends by its time-out."""
        self._crashed = self._closed = True
        self._break(self._connection, reconnect_s=None)

    def cut(self, seconds: float) -> None:
        """Lose the connection, and find no server for that long."""
        self._break(self._connection, reconnect_s=seconds)

    def expire(self) -> None:
        """End the session on the server; the client finds out when it has reconnected."""
        self._world.leader.close_session(self._session)
        self._break(self._connection, reconnect_s=self._world.latency_s())

    def _send(self, request: Request) -> None:
        self._require_open()
        if self._connection is None:
            request.answer = Lost("there is no connection", sent=False)
            self._scheduler.set(request.flag)
        else:
            self._transmit(self._connection, request)

    def _transmit(self, connection: Connection, request: Request) -> None:
        world = self._world
        world.requests += 1
        fault = world.faults(world.requests, request)
        connection.outstanding.append(request)
        connection.arrival_s = max(connection.arrival_s, self.now() + world.latency_s())
        if fault is Fault.STALL:
            connection.arrival_s += STALL_S
        self._scheduler.after(
            connection.arrival_s - self.now(), lambda: self._arrive(connection, request, fault)
        )

    def _arrive(self, connection: Connection, request: Request, fault: Fault | None) -> None:
        if id(request) in connection.never or self._moved(connection):
            return
        leader = self._world.leader
        if fault is Fault.LOSE_REQUEST or request_bytes(request.ops) > MAX_REQUEST_BYTES:
            connection.never.add(id(request))
            self._break(connection, reconnect_s=self._pause_s(), after=request)
            return
        if fault is Fault.EXPIRE_BEFORE:
            leader.close_session(connection.session)
        if connection.session not in leader.sessions:
            self._break(connection, reconnect_s=self._pause_s(), after=request)
            return
        connection.follower.catch_up(connection.own_zxid)
        answer = request.serve(connection)
        if fault is Fault.EXPIRE_AFTER:
            leader.close_session(connection.session)
        connection.reply_s = max(connection.reply_s, self.now() + self._world.latency_s())
        self._scheduler.after(
            connection.reply_s - self.now(),
            lambda: self._reply(connection, request, answer, fault),
        )

    def _reply(
        self, connection: Connection, request: Request, answer: Any, fault: Fault | None
    ) -> None:
        if connection.broken:
            return
        if fault is Fault.CUT:
            self._break(connection, reconnect_s=self._world.session_timeout_s * 1.5)
        elif fault not in {None, Fault.STALL}:
            self._break(connection, reconnect_s=self._pause_s())
        else:
            connection.follower.catch_up(connection.own_zxid)
            self._seen_zxid = max(self._seen_zxid, connection.follower.tree.zxid)
            connection.outstanding.remove(request)
            request.answer = answer
            self._scheduler.set(request.flag)

    def _moved(self, connection: Connection) -> bool:
        """Whether the session has been taken up on another connection since, also if that broke."""
        last = self._last
        return last is not None and last is not connection and last.session == connection.session

    def _break(
        self,
        connection: Connection | None,
        *,
        reconnect_s: float | None,
        after: Request | None = None,
    ) -> None:
        if connection is None or connection.broken:
            return
        connection.broken = True
        self._connection = None
        self._connecting = Flag()
        lost = connection.outstanding
        # What follows the break never arrives; of the rest, some may, late.
        if after in lost:
            connection.never.update(map(id, lost[lost.index(after) :]))
        else:
            connection.never.update(map(id, lost[self._world.rng.randrange(len(lost) + 1) :]))
        for request in lost:
            request.answer = Lost("the connection broke")
            self._scheduler.set(request.flag)
        connection.follower.forget(set(connection.watches))
        for watcher in connection.watches.values():
            self._scheduler.after(self._world.latency_s(), watcher)
        self._disconnected(connection, reconnect_s)

    def _disconnected(self, connection: Connection, reconnect_s: float | None) -> None:
        timeout_s = self._world.session_timeout_s

        def expire() -> None:
            current = self._connection
            if current is None or current.session != connection.session:
                self._world.leader.close_session(connection.session)

        def suspect() -> None:
            if self._connection is None and not self._crashed:
                self._tell_lost(connection.session)

        self._scheduler.after(timeout_s, expire)
        if reconnect_s is not None:
            self._scheduler.after(timeout_s, suspect)
            self._scheduler.after(reconnect_s, self._attach)

    def _attach(self) -> None:
        if self._closed or self._connection is not None:
            return
        leader = self._world.leader
        follower = self._world.rng.choice(self._world.followers)
        if self._session not in leader.sessions:
            self._tell_lost(self._session)
            self._session = leader.open_session()
            self.sessions.append(self._session)
            self._seen_zxid = leader.zxid
        follower.catch_up(self._seen_zxid)
        self._connection = self._last = Connection(self._session, follower)
        self._scheduler.set(self._connecting)

    def _tell_lost(self, session: int) -> None:
        for callback in list(self._lost_callbacks):
            callback(session)

    def _watch(self, connection: Connection, watcher: Watcher) -> Watch:
        def fire() -> None:
            if connection.watches.pop(watch, None) is not None and not connection.broken:
                self._scheduler.after(self._world.latency_s(), watcher)

        watch = Watch(fire)
        connection.watches[watch] = watcher
        return watch

    def _pause_s(self) -> float:
        return self._world.rng.choice([0.01, 0.1, 1.0])

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.name}: closed")


def request_bytes(ops: Sequence[Op]) -> int:
    """How long a request is; a server ends the connection that brings one too long."""
    return multi_bytes(ops, OPEN_ACL)
