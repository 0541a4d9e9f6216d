"""The queue's store on an in-memory ZooKeeper, with a network that loses, delays and cuts.

    world = World(seed=1)
    queue = Queue(world.client("a"), janitor=False)

Every request may meet a fault; what a real connection does with the requests around it happens
here too: what was in flight is lost or arrives late, late arrivals of a session that has moved
are refused, what is asked while disconnected is sent later, even in the next session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from worlds.memory_zookeeper import Follower, Leader, Watch, Znode
from worlds.scheduler import Flag, Scheduler
from zkmq.errors import ClosedError, NoQuorumError
from zkmq.store import (
    Check,
    Committed,
    Create,
    GetData,
    Lost,
    Node,
    Op,
    Read,
    Reply,
    SetData,
    View,
    Watcher,
)

START_MS = 1_700_000_000_000
STALL_S = 3.0


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


class World:
    """A quorum, a network and a clock."""

    def __init__(
        self,
        seed: int = 0,
        *,
        faults: Faults = no_faults,
        followers: int = 2,
        session_timeout_s: float = 10.0,
        lag_s: float = 0.0,
        max_events: int = 1_000_000,
        start_ms: int = START_MS,
    ) -> None:
        self._start_ms = start_ms
        self.scheduler = Scheduler(seed, max_events=max_events)
        self.rng = self.scheduler.rng
        self.faults = faults
        self.requests = 0
        self.session_timeout_s = session_timeout_s
        self.leader = Leader(self.clock_ms)
        self.followers = [Follower(self.leader) for _ in range(followers)]
        self.clients: list[MemoryStore] = []
        self._lag_s = lag_s
        self.leader.observers.append(lambda transaction: self._spread(transaction.zxid))

    def clock_ms(self) -> int:
        """The servers' wall clock."""
        return self._start_ms + int(self.scheduler.now_s * 1000)

    def client(self, name: str = "client") -> "MemoryStore":
        """A connected client."""
        store = MemoryStore(self, name)
        self.clients.append(store)
        return store

    def dump(self) -> dict[str, bytes]:
        """The leader's tree, path -> data."""
        return {path: node.data for path, node in self.leader.tree.nodes.items()}

    def listed(self, node: Znode) -> list[str]:
        """A node's children in no order, but the same in every run with the same seed."""
        children = sorted(node.children)
        self.rng.shuffle(children)
        return children

    def latency_s(self) -> float:
        """One way through the network."""
        return self.rng.uniform(0.0005, 0.003)

    def _spread(self, zxid: int) -> None:
        for follower in self.followers:
            if self._lag_s:
                delay_s = self.rng.uniform(0, self._lag_s)
                self.scheduler.after(delay_s, lambda f=follower: f.catch_up(zxid))  # type: ignore[misc]
            else:
                follower.catch_up(zxid)


class _Pending:
    def __init__(self, world: World, request: Request) -> None:
        self._world = world
        self._request = request

    def reply(self, deadline_s: float) -> Reply:
        if not self._world.scheduler.wait(self._request.flag, deadline_s):
            return Lost("no reply in time")
        answer: Reply = self._request.answer
        return answer


class _Signal:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._flag = Flag()

    def set(self) -> None:
        self._scheduler.set(self._flag)

    def wait(self, until_s: float) -> bool:
        happened = self._scheduler.wait(self._flag, until_s)
        self._flag.is_set = False
        return happened


class MemoryStore:
    """One client of a World."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._scheduler = world.scheduler
        self._closed = False
        self._crashed = False
        self._lost_callbacks: list[Callable[[int], None]] = []
        self._waiting: list[Request] = []
        self._connecting = Flag()
        self._session = world.leader.open_session()
        # All it has had, the current one last.
        self.sessions = [self._session]
        self._seen_zxid = 0
        self._connection: Connection | None = None
        self._attach()

    @property
    def session_id(self) -> int | None:
        return self._session

    def submit(self, ops: Sequence[Op]) -> _Pending:
        request = Request(lambda connection: self._serve_multi(connection, ops), ops, self.name)
        self._send(request)
        return _Pending(self._world, request)

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        return self.submit(ops).reply(deadline_s)

    def wait_connected(self, deadline_s: float) -> bool:
        self._demand_open()
        if self._connection is None:
            self._scheduler.wait(self._connecting, deadline_s)
        return self._connection is not None

    def list(self, path: str, deadline_s: float, watch: Watcher | None = None) -> list[str] | None:
        def serve(connection: Connection) -> list[str] | None:
            node = connection.follower.tree.nodes.get(path)
            if node is not None and watch is not None:
                connection.follower.watch_children(path, self._watch(connection, watch))
            return None if node is None else self._world.listed(node)

        answer: list[str] | None = self._ask(serve, deadline_s)
        return answer

    def exists(self, path: str, deadline_s: float, watch: Watcher | None = None) -> Node | None:
        def serve(connection: Connection) -> Node | None:
            node = connection.follower.tree.nodes.get(path)
            if watch is not None:
                connection.follower.watch_node(path, self._watch(connection, watch))
            return None if node is None else node.view()._replace(data=b"")

        answer: Node | None = self._ask(serve, deadline_s)
        return answer

    def read_many(self, reads: Sequence[Read], deadline_s: float) -> View:
        def serve(connection: Connection) -> View:
            tree = connection.follower.tree
            results: list[Node | list[str] | None] = []
            for read in reads:
                node = tree.nodes.get(read.path)
                if node is None:
                    results.append(None)
                else:
                    data = isinstance(read, GetData)
                    results.append(node.view() if data else self._world.listed(node))
            return View(results, tree.zxid)

        answer: View = self._ask(serve, deadline_s)
        return answer

    def sync(self, path: str, deadline_s: float) -> None:
        self._ask(lambda c: c.follower.catch_up(self._world.leader.zxid), deadline_s)

    def signal(self) -> _Signal:
        return _Signal(self._scheduler)

    def now(self) -> float:
        return self._scheduler.now_s

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> None:
        self._lost_callbacks.append(callback)

    def close(self) -> None:
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

    def _ask(self, serve: Callable[[Connection], Any], deadline_s: float) -> Any:
        while True:
            request = Request(serve, client=self.name)
            self._send(request)
            if not self._scheduler.wait(request.flag, deadline_s):
                raise NoQuorumError(f"{self.name}: read: no answer in time")
            if not isinstance(request.answer, Lost):
                return request.answer
            self._scheduler.sleep(0.02)
            if self.now() >= deadline_s or not self.wait_connected(deadline_s):
                raise NoQuorumError(f"{self.name}: read: no answer in time")

    def _send(self, request: Request) -> None:
        self._demand_open()
        if self._connection is None:
            self._waiting.append(request)
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
        if fault is Fault.LOSE_REQUEST:
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

    def _serve_multi(self, connection: Connection, ops: Sequence[Op]) -> Reply:
        transaction, rejected = self._world.leader.multi(connection.session, ops)
        connection.own_zxid = transaction.zxid
        if rejected is not None:
            return rejected
        effects = iter(transaction.effects)
        created: list[str | None] = []
        for op in ops:
            effect = next(effects) if not isinstance(op, Check) else None
            created.append(effect.path if effect and isinstance(op, Create) else None)
        stamped = any(isinstance(op, SetData) for op in ops)
        return Committed(transaction.zxid, created, transaction.time_ms if stamped else None)

    def _moved(self, connection: Connection) -> bool:
        """Whether the session has been taken up on another connection since."""
        current = self._connection
        return connection.broken and current is not None and current.session == connection.session

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
        self._connection = Connection(self._session, follower)
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._transmit(self._connection, request)
        self._scheduler.set(self._connecting)

    def _tell_lost(self, session: int) -> None:
        for callback in self._lost_callbacks:
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

    def _demand_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.name}: closed")
