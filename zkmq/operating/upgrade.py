"""Raise a tree to the version of this client, once all its clients are new enough."""

from zkmq.errors import (
    ClientsTooOldError,
    IncompatibleTreeError,
    OutcomeUnknownError,
    OutdatedClientError,
)
from zkmq.tree.charter import Charter
from zkmq.tree.chartered_store import CharteredStore
from zkmq.tree.paths import QueueTree
from zkmq.tree.registrations import clients
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.retries import may_retry
from zkmq.zookeeper.store import Code, Committed, GetData, Lost, Rejected, SetData, Znode


def upgrade(store: CharteredStore, tree: QueueTree, *, force: bool, deadline_s: float) -> Charter:
    """Raise the charter to this client's edition, and return it.

    After the upgrade, a client that is too old stops with an OutdatedClientError at its next write
    or look, and nothing that it sends takes effect. That happens only to clients that connect
    during the upgrade, or with `force`.

    Raises:
        ClientsTooOldError: a client of the tree is too old; nothing is changed.
        OutdatedClientError: this client is too old for the tree.
        OutcomeUnknownError: no answer before the deadline; call again.
        NoQuorumError: no answer before the deadline; nothing is changed.
    """
    while True:
        now, version = _read(store, tree, deadline_s)
        goal = now.raised(store.edition)
        if goal == now:
            return now
        if not force:
            _require_new_clients(store, tree, goal, deadline_s)
        # Send this past the charter's check, since it changes the charter itself.
        change = SetData(tree.root, goal.encode(), version)
        match store.inner.commit([change], deadline_s):
            case Committed() | Rejected(_, Code.BAD_VERSION):
                pass  # this copy, an earlier one, or another client changed it: read it
            case Rejected(_, code, number):
                raise refusal(tree.root, "upgrade", code, number)
            case Lost(reason):
                if not may_retry(store, deadline_s):
                    raise OutcomeUnknownError(f"upgrade: no answer in time ({reason})")


def _read(store: CharteredStore, tree: QueueTree, deadline_s: float) -> tuple[Charter, int]:
    """Read the present charter, and the version of its node."""
    store.sync(tree.root, deadline_s)
    (node,) = store.read_many([GetData(tree.root)], deadline_s).results
    if not isinstance(node, Znode):
        raise IncompatibleTreeError(f"{tree.root}: expected a queue, found nothing")
    now = Charter.decode(tree.root, node.data)
    if now.min_writer > store.edition.version:
        raise OutdatedClientError(
            f"{tree.root}: expected a client of version {now.min_writer} or later, "
            f"got version {store.edition.version}; upgrade with a newer release"
        )
    return now, node.version


def _require_new_clients(
    store: CharteredStore, tree: QueueTree, goal: Charter, deadline_s: float
) -> None:
    least = max(goal.min_reader, goal.min_writer)
    too_old = [each for each in clients(store, tree, deadline_s) if each.version < least]
    if too_old:
        raise ClientsTooOldError(least, tuple(map(str, too_old)))
