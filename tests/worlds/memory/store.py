"""The queue's store on an in-memory ZooKeeper, with a network that loses, delays and cuts.

world = World(seed=1)
queue = Queue(world.client("a"), janitor=False)
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from worlds.memory.network import (
    Connection,
    Faults,
    MemoryClient,
    Request,
    no_faults,
    request_bytes,
)
from worlds.memory.zookeeper import READ, Follower, Leader, StoredZnode
from worlds.sim.scheduler import Flag, Scheduler
from zkmq.errors import NoQuorumError
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.session.consistent_reads import Refusal, Value, View, permitted
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    Create,
    Denied,
    GetData,
    Lost,
    Op,
    Read,
    ReadResult,
    Reply,
    SetData,
    Watcher,
    Znode,
)

START_MS = 1_700_000_000_000
BAD_ARGUMENTS = -8


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

    def set_clock(self, seconds: float) -> None:
        """Let the servers' wall clock jump."""
        self._start_ms += int(seconds * 1000)

    def client(self, name: str = "client") -> "MemoryStore":
        """A connected client."""
        store = MemoryStore(self, name)
        self.clients.append(store)
        return store

    def dump(self) -> dict[str, bytes]:
        """The leader's tree, path -> data."""
        return {path: node.data for path, node in self.leader.tree.nodes.items()}

    def listed(self, node: StoredZnode) -> list[str]:
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


class MemoryStore(MemoryClient):
    """One client of a World."""

    @property
    def session_id(self) -> int | None:
        return self._session

    def submit(self, ops: Sequence[Op]) -> _Pending:
        request = Request(lambda connection: self._serve_multi(connection, ops), ops, self.name)
        self._send(request)
        return _Pending(self._world, request)

    def weigh(self, ops: Sequence[Op]) -> int:
        return request_bytes(ops)

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        return self.submit(ops).reply(deadline_s)

    def wait_connected(self, deadline_s: float) -> bool:
        self._require_open()
        if self._connection is None:
            self._scheduler.wait(self._connecting, deadline_s)
        return self._connection is not None

    def list(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> list[str] | None:
        def serve(connection: Connection) -> list[str] | Refusal | None:
            node = connection.follower.tree.nodes.get(path)
            if node is not None and not self._world.leader.allows(path, READ):
                return Refusal.DENIED
            if node is not None and watch is not None:
                connection.follower.watch_children(path, self._watch(connection, watch))
            return None if node is None else self._world.listed(node)

        names = permitted(path, self._ask(serve, deadline_s), denied)
        return names if isinstance(names, list) else None

    def exists(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> Znode | None:
        path.encode()  # as the real connection does, which breaks if that fails
        if "\0" in path:
            raise refusal(path, "read", Code.OTHER, BAD_ARGUMENTS)

        def serve(connection: Connection) -> Znode | Refusal | None:
            node = connection.follower.tree.nodes.get(path)
            if node is not None and not self._world.leader.allows_stat(path):
                return Refusal.DENIED
            if watch is not None:
                connection.follower.watch_node(path, self._watch(connection, watch))
            return None if node is None else node.view()._replace(data=b"")

        node = permitted(path, self._ask(serve, deadline_s), denied)
        return node if isinstance(node, Znode) else None

    def read_many(
        self, reads: Sequence[Read], deadline_s: float, *, denied: Denied | None = None
    ) -> ReadResult:
        def serve(connection: Connection) -> View:
            tree = connection.follower.tree
            results: list[Value] = []
            for read in reads:
                node = tree.nodes.get(read.path)
                if node is None:
                    results.append(None)
                elif not self._world.leader.allows(read.path, READ):
                    results.append(Refusal.DENIED)
                else:
                    data = isinstance(read, GetData)
                    results.append(node.view() if data else self._world.listed(node))
            return View(results, tree.zxid)

        answer: View = self._ask(serve, deadline_s)
        return answer.result(reads, denied)

    def sync(self, path: str, deadline_s: float) -> None:
        self._ask(lambda c: c.follower.catch_up(self._world.leader.zxid), deadline_s)

    def signal(self) -> _Signal:
        return _Signal(self._scheduler)

    def now(self) -> float:
        return self._scheduler.now_s

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        self._lost_callbacks.append(callback)

        def end() -> None:
            with suppress(ValueError):
                self._lost_callbacks.remove(callback)

        return end

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

    def _serve_multi(self, connection: Connection, ops: Sequence[Op]) -> Reply:
        transaction, rejected = self._world.leader.multi(connection.session, ops)
        connection.own_zxid = transaction.zxid
        if rejected is not None:
            return rejected
        effects = iter(transaction.effects)
        created: list[str | None] = []
        for op in ops:
            effect = next(effects) if not isinstance(op, CheckVersion) else None
            created.append(effect.path if effect and isinstance(op, Create) else None)
        stamped = any(isinstance(op, SetData) for op in ops)
        return Committed(transaction.zxid, created, transaction.time_ms if stamped else None)
