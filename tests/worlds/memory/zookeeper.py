"""ZooKeeper's data model in memory: one leader that decides, followers that may lag behind it.

Modelled after ZooKeeper 3.9 (PrepRequestProcessor, DataTree, SessionTrackerImpl): a multi is one
zxid, all or none; a node's version; sequence numbers count the creations under a parent, for as
long as it lives; ephemerals go in the transaction that closes their session; a refused write
takes a zxid too. Quotas are enforced as servers with `enforceQuota` do: each operation of a multi
is compared with what there was before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from zkmq.zookeeper.store import CheckVersion, Code, Create, Delete, Op, Rejected, SetData, Znode

# What an ACL may allow.
READ, WRITE, CREATE, DELETE = 1, 2, 4, 8
QUOTA_EXCEEDED = -125


@dataclass(slots=True)
class StoredZnode:
    """A node of one replica."""

    data: bytes
    czxid: int
    mzxid: int
    ctime_ms: int
    mtime_ms: int
    owner: int = 0
    version: int = 0
    creations: int = 0
    children: set[str] = field(default_factory=set)

    def view(self) -> Znode:
        """The node as a client reads it."""
        return Znode(
            self.data, self.version, self.czxid, self.mzxid, self.ctime_ms, self.mtime_ms,
            len(self.children), self.owner, 2 * self.creations - len(self.children),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Created:
    """A node came."""

    path: str
    data: bytes
    owner: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A node went; `data` is what it held."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Changed:
    """A node's data was replaced."""

    path: str
    data: bytes


Effect = Created | Deleted | Changed


@dataclass(frozen=True, slots=True)
class Transaction:
    """One entry of the log: what changed at `zxid`, in order; nothing if it was refused."""

    zxid: int
    time_ms: int
    session: int
    effects: tuple[Effect, ...]


class RefusedError(Exception):
    """One operation of a multi cannot be done."""

    def __init__(self, index: int, code: Code, number: int = 0) -> None:
        super().__init__(index, code)
        self.rejected = Rejected(index, code, number)


@dataclass(frozen=True, slots=True)
class Quota:
    """The hard limits of a node and all below it; None is no limit."""

    count: int | None = None
    size: int | None = None


def parent_of(path: str) -> str:
    """The path of a node's parent."""
    return path.rpartition("/")[0] or "/"


def wrapped(number: int) -> int:
    """A counter as the servers hold it, an int32."""
    return (number + 2**31) % 2**32 - 2**31


class Tree:
    """One replica of the data."""

    def __init__(self) -> None:
        self.nodes: dict[str, StoredZnode] = {"/": StoredZnode(b"", 0, 0, 0, 0)}
        self.zxid = 0

    def apply(self, transaction: Transaction) -> None:
        """Follow the log by one entry."""
        self.zxid = transaction.zxid
        for effect in transaction.effects:
            match effect:
                case Created(path, data, owner):
                    self._create(path, data, owner, transaction)
                case Deleted(path):
                    del self.nodes[path]
                    self.nodes[parent_of(path)].children.discard(path.rpartition("/")[2])
                case Changed(path, data):
                    node = self.nodes[path]
                    node.data, node.version = data, wrapped(node.version + 1)
                    node.mzxid, node.mtime_ms = transaction.zxid, transaction.time_ms

    def _create(self, path: str, data: bytes, owner: int, transaction: Transaction) -> None:
        zxid, time_ms = transaction.zxid, transaction.time_ms
        self.nodes[path] = StoredZnode(data, zxid, zxid, time_ms, time_ms, owner)
        parent = self.nodes[parent_of(path)]
        parent.creations = wrapped(parent.creations + 1)
        parent.children.add(path.rpartition("/")[2])


Observer = Callable[[Transaction], None]


class Leader:
    """Decides multis and keeps the log."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.tree = Tree()
        # The entries after `trimmed`, the zxid up to which nobody needs them any more.
        self.log: list[Transaction] = []
        self.trimmed = 0
        self.sessions: set[int] = set()
        # session -> the zxid at which it ended
        self.ended: dict[int, int] = {}
        self.observers: list[Observer] = []
        # What every client may do with a node. Without an entry, all; it goes with its node.
        self.allowed: dict[str, int] = {}
        # Whether the stat of a node needs READ, as from 3.8.4 and 3.9.2 on (ZOOKEEPER-2590).
        self.guards_stats = True
        self.quotas: dict[str, Quota] = {}
        self._clock_ms = clock_ms
        self._last_session = 0

    @property
    def zxid(self) -> int:
        """The last transaction's."""
        return self.tree.zxid

    def now_ms(self) -> int:
        """The servers' wall clock."""
        return self._clock_ms()

    def allows(self, path: str, what: int) -> bool:
        """Whether clients may do this with a node."""
        return bool(self.allowed.get(path, what) & what)

    def allows_stat(self, path: str) -> bool:
        """Whether clients may ask whether a node exists."""
        return self.allows(path, READ) or not self.guards_stats

    def trim(self) -> None:
        """Forget the log so far, which every follower has, and the sessions that have ended."""
        self.log.clear()
        self.ended.clear()
        self.trimmed = self.zxid

    def open_session(self) -> int:
        """Start a session; that is a transaction too."""
        self._last_session += 1
        self.sessions.add(self._last_session)
        self._commit(self._last_session, ())
        return self._last_session

    def close_session(self, session: int) -> None:
        """End a session: its ephemerals go."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        nodes = self.tree.nodes
        gone = [path for path, node in nodes.items() if node.owner == session]
        effects = tuple(Deleted(path, nodes[path].data) for path in sorted(gone))
        self.ended[session] = self._commit(session, effects).zxid

    def multi(self, session: int, ops: Sequence[Op]) -> tuple[Transaction, Rejected | None]:
        """Do all operations or none."""
        draft = _Draft(self, session)
        try:
            for index, op in enumerate(ops):
                draft.do(index, op)
        except RefusedError as refused:
            return self._commit(session, ()), refused.rejected
        return self._commit(session, tuple(draft.effects)), None

    def _commit(self, session: int, effects: tuple[Effect, ...]) -> Transaction:
        transaction = Transaction(self.zxid + 1, self._clock_ms(), session, effects)
        self.tree.apply(transaction)
        for effect in effects if self.allowed else ():
            if isinstance(effect, Deleted):
                self.allowed.pop(effect.path, None)
        self.log.append(transaction)
        for observer in self.observers:
            observer(transaction)
        return transaction


class _Draft:
    """The effects of a multi so far, on top of the tree as it is."""

    def __init__(self, leader: Leader, session: int) -> None:
        self.effects: list[Effect] = []
        self._leader = leader
        self._tree = leader.tree
        self._session = session
        # What the operations before changed: version, or None for a node that is gone.
        self._versions: dict[str, int | None] = {}
        self._creations: dict[str, int] = {}
        self._children: dict[str, int] = {}

    def do(self, index: int, op: Op) -> None:
        match op:
            case Create():
                self._create(index, op)
            case Delete(path, version):
                self._demand(index, path, version, DELETE, parent_of(path))
                if self._child_count(path):
                    raise RefusedError(index, Code.NOT_EMPTY)
                self._versions[path] = None
                self._children[parent_of(path)] = self._child_count(parent_of(path)) - 1
                self.effects.append(Deleted(path, self._data(path)))
            case SetData(path, data, version):
                self._demand(index, path, -1, WRITE, path)
                self._require_quota(index, path, len(data) - len(self._data(path)), 0)
                self._versions[path] = wrapped(self._demand(index, path, version, WRITE, path) + 1)
                self.effects.append(Changed(path, data))
            case CheckVersion(path, version):
                self._demand(index, path, version, READ, path)

    def _create(self, index: int, op: Create) -> None:
        parent = parent_of(op.path)
        if self._version(parent) is None:
            raise RefusedError(index, Code.NO_NODE)
        self._require(index, CREATE, parent)
        if self._is_ephemeral(parent):
            raise RefusedError(index, Code.OTHER)
        creations = self._creations.get(parent)
        if creations is None:
            node = self._tree.nodes.get(parent)
            creations = node.creations if node else 0
        path = f"{op.path}{creations:010d}" if op.sequence else op.path
        if self._version(path) is not None:
            raise RefusedError(index, Code.NODE_EXISTS)
        self._require_quota(index, path, len(op.data), 1)
        self._creations[parent] = wrapped(creations + 1)
        self._children[parent] = self._child_count(parent) + 1
        self._versions[path] = 0
        self._creations[path] = 0
        self._children[path] = 0
        self.effects.append(Created(path, op.data, self._session if op.ephemeral else 0))

    def _demand(self, index: int, path: str, version: int, what: int, where: str) -> int:
        actual = self._version(path)
        if actual is None:
            raise RefusedError(index, Code.NO_NODE)
        self._require(index, what, where)
        if version not in {-1, actual}:
            raise RefusedError(index, Code.BAD_VERSION)
        return actual

    def _require(self, index: int, what: int, path: str) -> None:
        if not self._leader.allows(path, what):
            raise RefusedError(index, Code.NO_AUTH)

    def _require_quota(self, index: int, path: str, size: int, count: int) -> None:
        """Refuse what a quota forbids, also a smaller value where there is too much already."""
        for prefix, quota in self._leader.quotas.items():
            if not path.startswith(f"{prefix}/"):
                continue
            below = [
                node
                for each, node in self._tree.nodes.items()
                if each == prefix or each.startswith(f"{prefix}/")
            ]
            counted, sized = len(below) + count, sum(len(node.data) for node in below) + size
            over = quota.count is not None and count and counted > quota.count
            if over or (quota.size is not None and size and sized > quota.size):
                raise RefusedError(index, Code.OTHER, QUOTA_EXCEEDED)

    def _version(self, path: str) -> int | None:
        if path in self._versions:
            return self._versions[path]
        node = self._tree.nodes.get(path)
        return node.version if node else None

    def _child_count(self, path: str) -> int:
        if path in self._children:
            return self._children[path]
        node = self._tree.nodes.get(path)
        return len(node.children) if node else 0

    def _is_ephemeral(self, path: str) -> bool:
        for effect in reversed(self.effects):
            if isinstance(effect, Created) and effect.path == path:
                return effect.owner != 0
        node = self._tree.nodes.get(path)
        return node is not None and node.owner != 0

    def _data(self, path: str) -> bytes:
        for effect in reversed(self.effects):
            if isinstance(effect, Created | Changed) and effect.path == path:
                return effect.data
        return self._tree.nodes[path].data


@dataclass(eq=False)
class Watch:
    """One client's wish to hear of one node, once."""

    fire: Callable[[], None]
    path: str = ""


class Follower:
    """A replica that clients read from; it follows the log, now or later."""

    def __init__(self, leader: Leader) -> None:
        self.tree = Tree()
        self._leader = leader
        self._child_watches: dict[str, list[Watch]] = {}
        self._node_watches: dict[str, list[Watch]] = {}

    def catch_up(self, zxid: int) -> None:
        """Apply the log up to `zxid`, and fire the watches on the way."""
        leader = self._leader
        while self.tree.zxid < min(zxid, leader.zxid):
            transaction = leader.log[self.tree.zxid - leader.trimmed]
            self.tree.apply(transaction)
            for watch in list(self._touched(transaction)):
                watch.fire()

    def watch_children(self, path: str, watch: Watch) -> None:
        """Fire when a child of the node comes or goes, or the node goes."""
        self._child_watches.setdefault(path, []).append(watch)

    def watch_node(self, path: str, watch: Watch) -> None:
        """Fire when the node comes, changes or goes."""
        self._node_watches.setdefault(path, []).append(watch)

    def forget(self, watches: set[Watch]) -> None:
        """Drop the watches of a connection that broke."""
        for table in (self._child_watches, self._node_watches):
            for path, watching in list(table.items()):
                left = [watch for watch in watching if watch not in watches]
                if left:
                    table[path] = left
                else:
                    del table[path]

    def _touched(self, transaction: Transaction) -> Iterator[Watch]:
        for effect in transaction.effects:
            yield from self._node_watches.pop(effect.path, ())
            if isinstance(effect, Deleted):
                yield from self._child_watches.pop(effect.path, ())
            if not isinstance(effect, Changed):
                yield from self._child_watches.pop(parent_of(effect.path), ())
