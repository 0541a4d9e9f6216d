"""Change the charter of a tree: raise it to this client's version, pause the queue, resume it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from zkmq.errors import (
    ClientsTooOldError,
    IncompatibleTreeError,
    OutcomeUnknownError,
    OutdatedClientError,
)
from zkmq.tree.compatibility.charter import PAUSE_VERSION, Charter
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.compatibility.registrations import Registered, clients
from zkmq.tree.item_names import is_consumer
from zkmq.tree.paths import QueueTree
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

    def require(goal: Charter) -> None:
        if not force:
            least = max(goal.min_reader, goal.min_writer)
            _require_version("upgrade", least, clients(store, tree, deadline_s))

    return _change(
        "upgrade",
        store,
        tree,
        lambda now: now.raised(store.edition),
        require,
        deadline_s=deadline_s,
    )


def pause(
    store: CharteredStore, tree: QueueTree, reason: str, *, force: bool, deadline_s: float
) -> Charter:
    """Let all consumers take nothing, and return the charter.

    A consumer reads the charter with every look at the queue, so each sees it at its next look.

    Raises:
        ClientsTooOldError: a consumer is too old to obey; nothing is changed.
        OutdatedClientError, OutcomeUnknownError, NoQuorumError: as `upgrade`.
    """

    def require(_: Charter) -> None:
        if not force:
            registered = clients(store, tree, deadline_s)
            consumers = [each for each in registered if is_consumer(each.id)]
            _require_version("pause", PAUSE_VERSION, consumers)

    return _change(
        "pause",
        store,
        tree,
        lambda now: replace(now, paused=reason),
        require,
        deadline_s=deadline_s,
    )


def resume(store: CharteredStore, tree: QueueTree, *, deadline_s: float) -> Charter:
    """Let consumers take items again, and return the charter.

    Raises:
        OutdatedClientError, OutcomeUnknownError, NoQuorumError: as `upgrade`.
    """
    return _change(
        "resume", store, tree, lambda now: replace(now, paused=None), _always, deadline_s=deadline_s
    )


def _always(_: Charter) -> None:
    """Accept every change."""


def _change(
    label: str,
    store: CharteredStore,
    tree: QueueTree,
    goal_of: Callable[[Charter], Charter],
    require: Callable[[Charter], None],
    *,
    deadline_s: float,
) -> Charter:
    """Replace the charter by what `goal_of` makes of it, once `require` accepts that."""
    while True:
        now, version = _read(store, tree, deadline_s)
        goal = goal_of(now)
        if goal == now:
            return now
        require(goal)
        # Send this past the charter's check, since it changes the charter itself.
        change = SetData(tree.root, goal.encode(), version)
        match store.inner.commit([change], deadline_s):
            case Committed() | Rejected(_, Code.BAD_VERSION):
                pass  # this copy, an earlier one, or another client changed it: read it
            case Rejected(_, code, number):
                raise refusal(tree.root, label, code, number)
            case Lost(reason):
                if not may_retry(store, deadline_s):
                    raise OutcomeUnknownError(f"{label}: no answer in time ({reason})")


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


def _require_version(label: str, least: int, found: Sequence[Registered]) -> None:
    too_old = [each for each in found if each.version < least]
    if too_old:
        raise ClientsTooOldError(label, least, tuple(map(str, too_old)))
