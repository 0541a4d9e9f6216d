"""Raising a tree to the version of this client, once all who use it are new enough."""

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
from zkmq.zookeeper.store import Code, Committed, GetData, Lost, Rejected, SetData, Znode


def upgrade(store: CharteredStore, tree: QueueTree, *, force: bool, deadline_s: float) -> Charter:
    """Let the tree demand, and list, all that this client's edition has; its charter from then on.

    A client that is too old and comes while this goes on, or is `force`d out, stops with an
    OutdatedClientError at its next write or look; nothing it does takes effect after this.

    Raises:
        ClientsTooOldError: somebody who uses the tree is too old; nothing is changed.
        OutdatedClientError: the tree is beyond this client.
        OutcomeUnknownError: no answer before the deadline; ask again.
        NoQuorumError: no answer before the deadline; nothing is changed.
    """
    while True:
        now, version = _read(store, tree, deadline_s)
        goal = now.raised(store.edition)
        if goal == now:
            return now
        if not force:
            _demand_new_clients(store, tree, goal, deadline_s)
        # The charter itself is what changes, so it cannot be demanded along with it.
        change = SetData(tree.root, goal.encode(), version)
        match store.inner.commit([change], deadline_s):
            case Committed() | Rejected(_, Code.BAD_VERSION):
                pass  # by us, by an earlier copy of ours, or by somebody else: look at it
            case Rejected(_, code, number):
                raise refusal(tree.root, "upgrade", code, number)
            case Lost(reason):
                if store.now() >= deadline_s or not store.wait_connected(deadline_s):
                    raise OutcomeUnknownError(f"upgrade: no answer in time ({reason})")


def _read(store: CharteredStore, tree: QueueTree, deadline_s: float) -> tuple[Charter, int]:
    """The charter now, and its version."""
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


def _demand_new_clients(
    store: CharteredStore, tree: QueueTree, goal: Charter, deadline_s: float
) -> None:
    least = max(goal.min_reader, goal.min_writer)
    too_old = [each for each in clients(store, tree, deadline_s) if each.version < least]
    if too_old:
        raise ClientsTooOldError(least, tuple(map(str, too_old)))
