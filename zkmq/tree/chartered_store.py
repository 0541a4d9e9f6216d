"""How a client keeps to the charter of a tree while it runs, whoever changes it meanwhile.

Every write demands, in the same multi, the root as this client knows it; every look reads it
along. So whatever a client does is allowed in the very state in which it takes effect, without
a request of its own: once the tree has been raised, nothing that an older client sends, or had
sent before, takes effect any more.
"""

import contextlib
from collections.abc import Callable, Sequence

from zkmq.errors import IncompatibleTreeError, NoQuorumError, OutdatedClientError
from zkmq.tree.charter import Charter, Edition
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    GetData,
    Op,
    Pending,
    Read,
    ReadResult,
    Rejected,
    Reply,
    Signal,
    Store,
    Watcher,
    Znode,
)

LOOK_AGAIN_S = 0.05


class _Pending:
    """A multi whose last operation is the demand for the charter."""

    def __init__(self, pending: Pending, demand: CheckVersion, count: int) -> None:
        self.demand = demand
        self.outdated = False
        self._pending = pending
        self._count = count

    def reply(self, deadline_s: float) -> Reply:
        match self._pending.reply(deadline_s):
            case Committed(zxid, created, mtime_ms):
                return Committed(zxid, created[: self._count], mtime_ms)
            case Rejected(index, code, number) if index == self._count:
                self.outdated = True
                # For those who pipeline: to be sent again by `commit`, which says more.
                return Rejected(0, code, number)
            case reply:
                return reply


class _NeverSent:
    """A multi of a client that may not write: nobody has to wait for it, who does is told."""

    def __init__(self, error: OutdatedClientError) -> None:
        self._error = error

    def reply(self, deadline_s: float) -> Reply:
        raise self._error


class CharteredStore:
    """A store whose every write and every look is bound to the tree's charter. Thread-safe.

    Args:
        store: what reaches the servers.
        root: the queue's root.
        edition: what this client is able to do.
        node: the root as it was read.

    Raises:
        OutdatedClientError: the tree may not be read by this client.
        IncompatibleTreeError: it is not the root of a queue.
    """

    def __init__(self, store: Store, root: str, edition: Edition, node: Znode) -> None:
        self.inner = store
        self.edition = edition
        self._root = root
        # Of the last charter under which this client might write. It is demanded also when it
        # holds no more: so the servers, who know, answer for what was sent before.
        self._demand: CheckVersion | None = None
        self._adopt(node)
        self._demand_readable()

    @property
    def charter(self) -> Charter:
        """What the root says, as far as this client has seen."""
        return self._charter

    def lists(self, feature: str) -> bool:
        """Whether a feature may be written: the tree has it, and all who use the tree know it."""
        return feature in self._charter.features

    def submit(self, ops: Sequence[Op]) -> _Pending | _NeverSent:
        """Send a multi that demands the charter, without waiting."""
        demand = self._demand
        if demand is None:
            return _NeverSent(self._outdated("write", self._charter.min_writer))
        return _Pending(self.inner.submit([*ops, demand]), demand, len(ops))

    def weigh(self, ops: Sequence[Op]) -> int:
        """The length of a multi's request, the demand included."""
        return self.inner.weigh([*ops, CheckVersion(self._root, 0)])

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi and wait; again if the charter has changed, and still allows it.

        Raises:
            OutdatedClientError: it allows it no more. No copy of the multi took effect, or will.
            NoQuorumError: the charter has changed, and was not read before the deadline.
            IncompatibleTreeError: the queue is gone.
        """
        while True:
            pending = self.submit(ops)
            reply = pending.reply(deadline_s)
            if isinstance(pending, _NeverSent) or not pending.outdated:
                if reply == Rejected(0, Code.NO_NODE):
                    self._demand_root(deadline_s)
                return reply
            self._renew(pending.demand, deadline_s)

    def read_many(self, reads: Sequence[Read], deadline_s: float) -> ReadResult:
        """Several reads, and the charter with them.

        Raises:
            OutdatedClientError: this client may not read the tree any more.
            IncompatibleTreeError: the queue is gone.
        """
        if not reads:
            self._demand_readable()
            return ReadResult([], None)
        view = self.inner.read_many([*reads, GetData(self._root)], deadline_s)
        node = view.results[-1]
        if not isinstance(node, Znode):
            raise self._gone()
        if node.version > self._version:
            self._adopt(node)
        self._demand_readable()
        return ReadResult(view.results[:-1], view.zxid)

    @property
    def session_id(self) -> int | None:
        """The store's."""
        return self.inner.session_id

    def wait_connected(self, deadline_s: float) -> bool:
        """As of the store."""
        return self.inner.wait_connected(deadline_s)

    def list(self, path: str, deadline_s: float, watch: Watcher | None = None) -> list[str] | None:
        """As of the store; but a queue that is gone is an error, not an empty place.

        Raises:
            IncompatibleTreeError: the queue is gone.
        """
        children = self.inner.list(path, deadline_s, watch)
        if children is None and path.rpartition("/")[0] == self._root:
            self._demand_root(deadline_s)
        return children

    def exists(self, path: str, deadline_s: float, watch: Watcher | None = None) -> Znode | None:
        """As of the store."""
        return self.inner.exists(path, deadline_s, watch)

    def sync(self, path: str, deadline_s: float) -> None:
        """As of the store."""
        self.inner.sync(path, deadline_s)

    def signal(self) -> Signal:
        """As of the store."""
        return self.inner.signal()

    def now(self) -> float:
        """As of the store."""
        return self.inner.now()

    def sleep(self, seconds: float) -> None:
        """As of the store."""
        self.inner.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """As of the store."""
        return self.inner.on_session_lost(callback)

    def close(self) -> None:
        """As of the store."""
        self.inner.close()

    def _adopt(self, node: Znode) -> None:
        self._charter = Charter.decode(self._root, node.data)
        self._version = node.version
        if self._charter.min_writer <= self.edition.version:
            self._demand = CheckVersion(self._root, node.version)

    def _renew(self, demand: CheckVersion, deadline_s: float) -> None:
        """Read the charter that has replaced the one that was demanded."""
        while True:
            self.inner.sync(self._root, deadline_s)
            (node,) = self.inner.read_many([GetData(self._root)], deadline_s).results
            if not isinstance(node, Znode):
                raise self._gone()
            if node.version != demand.version:
                break
            # A server that lags, in spite of the sync.
            if self.inner.now() >= deadline_s:
                raise NoQuorumError(f"{self._root}: only stale answers before the deadline")
            self.inner.sleep(LOOK_AGAIN_S)
        self._adopt(node)
        if self._charter.min_writer > self.edition.version:
            raise self._outdated("write", self._charter.min_writer)

    def _demand_root(self, deadline_s: float) -> None:
        """Raise if the queue is gone; if nobody tells in time, what asked for it stands."""
        with contextlib.suppress(NoQuorumError):
            self.inner.sync(self._root, deadline_s)
            if self.inner.exists(self._root, deadline_s) is None:
                raise self._gone()

    def _gone(self) -> IncompatibleTreeError:
        return IncompatibleTreeError(
            f"{self._root}: expected a queue, found nothing: somebody has deleted it"
        )

    def _demand_readable(self) -> None:
        if self._charter.min_reader > self.edition.version:
            raise self._outdated("read", self._charter.min_reader)

    def _outdated(self, what: str, least: int) -> OutdatedClientError:
        return OutdatedClientError(
            f"{self._root}: expected a client of version {least} or later to {what} this queue, "
            f"got version {self.edition.version}; upgrade this client"
        )
