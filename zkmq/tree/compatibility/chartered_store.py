"""A store that obeys the charter of a tree, also when another client raises the tree.

Every multi also checks the version of the root, and every look also reads the root. So each write
is allowed in the very state in which it takes effect, and that costs no extra request. Once a tree
is raised, nothing that an older client sends, or has sent before, takes effect any more.
"""

import contextlib
from collections.abc import Sequence

from zkmq.errors import IncompatibleTreeError, NoQuorumError, OutdatedClientError
from zkmq.tree.compatibility.charter import Charter, Edition
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    Denied,
    GetData,
    Op,
    Pending,
    Read,
    ReadResult,
    Rejected,
    Reply,
    Store,
    Watcher,
    Znode,
)

LOOK_AGAIN_S = 0.05


class _CheckedMulti:
    """A multi that was sent with the check of the charter as its last operation."""

    def __init__(self, pending: Pending, check: CheckVersion, count: int) -> None:
        self.check = check
        self.outdated = False
        self._pending = pending
        self._count = count

    def reply(self, deadline_s: float) -> Reply:
        match self._pending.reply(deadline_s):
            case Committed(zxid, created, mtime_ms):
                return Committed(zxid, created[: self._count], mtime_ms)
            case Rejected(index, code, number) if index == self._count:
                self.outdated = True
                # A pipeline then sends the multi again with `commit`, which finds out more.
                return Rejected(0, code, number)
            case reply:
                return reply


class _NeverSent:
    """A multi that was not sent, because the client is too old to write. `reply` raises that."""

    def __init__(self, error: OutdatedClientError) -> None:
        self._error = error

    def reply(self, deadline_s: float) -> Reply:
        raise self._error


class CharteredStore:
    """A store that binds every write and every look to the tree's charter. Thread-safe.

    `node` is the queue's root as it was read.

    Raises:
        OutdatedClientError: this client may not read the tree.
        IncompatibleTreeError: the node is not the root of a queue.
    """

    def __init__(self, store: Store, root: str, edition: Edition, node: Znode) -> None:
        self.inner = store
        self.edition = edition
        self._root = root
        # What needs no charter goes to the store as it is.
        self.wait_connected, self.exists, self.sync = store.wait_connected, store.exists, store.sync
        self.signal, self.now, self.sleep = store.signal, store.now, store.sleep
        self.on_session_lost, self.close = store.on_session_lost, store.close
        # The check of the last charter under which this client could write. It is sent even after
        # a newer charter was seen: the servers' refusal then holds for all earlier copies too.
        self._check: CheckVersion | None = None
        self._adopt(node)
        self._require_readable()

    @property
    def charter(self) -> Charter:
        """The charter as this client last read it."""
        return self._charter

    def lists(self, feature: str) -> bool:
        """Whether clients may write a feature: the charter lists it, so all of them know it."""
        return feature in self._charter.features

    def check(self) -> CheckVersion:
        """The check of the charter, for a multi that another store sends.

        Raises:
            OutdatedClientError: this client may not write to the tree.
        """
        if self._check is None:
            raise self._outdated("write", self._charter.min_writer)
        return self._check

    def submit(self, ops: Sequence[Op]) -> _CheckedMulti | _NeverSent:
        """Send a multi with the check of the charter, without waiting for the answer."""
        check = self._check
        if check is None:
            return _NeverSent(self._outdated("write", self._charter.min_writer))
        return _CheckedMulti(self.inner.submit([*ops, check]), check, len(ops))

    def weigh(self, ops: Sequence[Op]) -> int:
        """The length of a multi's request in bytes, with the check of the charter."""
        return self.inner.weigh([*ops, CheckVersion(self._root, 0)])

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi and wait. Send it again if the charter has changed and still allows it.

        Raises:
            OutdatedClientError: the charter forbids it. No copy of the multi took effect, or will.
            NoQuorumError: the charter has changed and could not be read before the deadline.
            IncompatibleTreeError: the queue was deleted.
        """
        while True:
            pending = self.submit(ops)
            reply = pending.reply(deadline_s)
            if isinstance(pending, _NeverSent) or not pending.outdated:
                if reply == Rejected(0, Code.NO_NODE):
                    self._require_root(deadline_s)
                return reply
            self.renew(pending.check, deadline_s)

    def read_many(
        self, reads: Sequence[Read], deadline_s: float, *, denied: Denied | None = None
    ) -> ReadResult:
        """Read several nodes, and the charter in the same request.

        Raises:
            OutdatedClientError: this client may not read the tree any more.
            IncompatibleTreeError: the queue was deleted.
        """
        if not reads:
            self._require_readable()
            return ReadResult([], None)
        view = self.inner.read_many(
            [*reads, GetData(self._root)], deadline_s, denied=self._but_root(denied)
        )
        node = view.results[-1]
        if not isinstance(node, Znode):
            raise self._gone()
        if node.version > self._version:
            self._adopt(node)
        self._require_readable()
        return ReadResult(view.results[:-1], view.zxid)

    @property
    def session_id(self) -> int | None:
        """The session of the store; None while there is none."""
        return self.inner.session_id

    def list(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> list[str] | None:
        """List children as the store does, but raise if a place is missing with its whole queue.

        Raises:
            IncompatibleTreeError: the queue was deleted.
        """
        children = self.inner.list(path, deadline_s, watch, denied=denied)
        if children is None and path.rpartition("/")[0] == self._root:
            self._require_root(deadline_s)
        return children

    def renew(self, check: CheckVersion, deadline_s: float) -> None:
        """Read the charter that replaced the one in `check`.

        Raises:
            OutdatedClientError: the new charter forbids this client to write.
        """
        while True:
            self.inner.sync(self._root, deadline_s)
            (node,) = self.inner.read_many([GetData(self._root)], deadline_s).results
            if not isinstance(node, Znode):
                raise self._gone()
            if node.version != check.version:
                break
            # This server lags behind, in spite of the sync.
            if self.inner.now() >= deadline_s:
                raise NoQuorumError(f"{self._root}: only stale answers before the deadline")
            self.inner.sleep(LOOK_AGAIN_S)
        self._adopt(node)
        if self._charter.min_writer > self.edition.version:
            raise self._outdated("write", self._charter.min_writer)

    def _but_root(self, denied: Denied | None) -> Denied | None:
        """The same, but raise if the root may not be read: then nothing is allowed."""
        if denied is None:
            return None
        tell = denied

        def tell_but_root(path: str) -> None:
            if path == self._root:
                raise refusal(path, "read", Code.NO_AUTH)
            tell(path)

        return tell_but_root

    def _adopt(self, node: Znode) -> None:
        self._charter = Charter.decode(self._root, node.data)
        self._version = node.version
        if self._charter.min_writer <= self.edition.version:
            self._check = CheckVersion(self._root, node.version)

    def _require_root(self, deadline_s: float) -> None:
        """Raise if the queue was deleted. Without an answer in time, assume that it is there."""
        with contextlib.suppress(NoQuorumError):
            self.inner.sync(self._root, deadline_s)
            if self.inner.exists(self._root, deadline_s) is None:
                raise self._gone()

    def _gone(self) -> IncompatibleTreeError:
        return IncompatibleTreeError(
            f"{self._root}: expected a queue, found nothing: somebody has deleted it"
        )

    def _require_readable(self) -> None:
        if self._charter.min_reader > self.edition.version:
            raise self._outdated("read", self._charter.min_reader)

    def _outdated(self, what: str, least: int) -> OutdatedClientError:
        return OutdatedClientError(
            f"{self._root}: expected a client of version {least} or later to {what} this queue, "
            f"got version {self.edition.version}; upgrade this client"
        )
