"""Items that cannot be delivered become dead letters, or are skipped if they cannot be moved."""

from collections.abc import Callable

from zkmq import events
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.request_sizes import too_large
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    Op,
    Rejected,
    Store,
    Znode,
    is_there,
)


class UndeliverableItems:
    """Checks the items that one consumer finds waiting. Not thread-safe.

    An item may have expired. A plain ZooKeeper client may put an item with a header that makes no
    sense, or one so large that no request can move it. `now_ms`, given a deadline, tells the
    servers' time.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        return_places: ReturnPlaces,
        skips: SkippedNodes,
        now_ms: Callable[[float], float],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._tree = tree
        self._return_places = return_places
        self._skips = skips

    def is_fit(self, path: str, node: Znode, deadline_s: float) -> bool:
        """Whether an item can be delivered. If not, bury or skip it."""
        if reason := too_large(path, node.data):
            # What cannot be moved to a consumer cannot be moved to the dead letters either.
            self._skips.add(path, reason)
            return False
        if reason := envelope.fault(node.data) or self._expiry(node, deadline_s):
            self._bury(path, node, reason, deadline_s)
            return False
        return True

    def is_tagged(self, node: Znode, deadline_s: float) -> bool:
        """Whether a plain REST client has claimed an item, and its session lives.

        Such a client writes its id into the header of the item, as `owner`.
        """
        if node.data.startswith(envelope.FRESH):
            return False
        header, _ = envelope.unwrap(node.data)
        owner = header.get("owner", "")
        if not item_names.is_consumer(owner):
            return False
        return is_there(self._store, self._tree.active(owner), deadline_s, self._skips.deny)

    def _expiry(self, node: Znode, deadline_s: float) -> str | None:
        """Say that an item has expired; None if it has not."""
        if node.data.startswith(envelope.FRESH):
            return None
        header, _ = envelope.unwrap(node.data)
        expires_s = header.get("expires_s")
        if expires_s is None:
            return None
        put_ms = header.get("put_ms", node.ctime_ms)
        if self._now_ms(deadline_s) < put_ms + expires_s * 1000:
            return None
        return f"it expired {expires_s:g} s after it was put"

    def _bury(self, path: str, node: Znode, reason: str, deadline_s: float) -> None:
        """Make an item a dead letter, unless another client was faster. `kick` brings it back."""
        header, payload = envelope.unwrap(node.data)
        data = envelope.wrap(payload, header | {"reason": f"cannot be delivered: {reason}"})
        while True:
            grave = self._return_places.next_path(self._tree.place("dead"), last_part(path))
            ops: list[Op] = [Delete(path, node.version), Create(grave, data)]
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    events.tell(
                        events.ITEM_DEAD,
                        self._tree.root,
                        f"{last_part(path)} is a dead letter now: {reason}",
                        reason=reason,
                        zxid=zxid,
                        **events.items_of([last_part(path)]),
                    )
                case Rejected(0, Code.NO_NODE | Code.BAD_VERSION):
                    pass
                case Rejected(1, code) if self._return_places.learn(ops[1], code):
                    continue
                case Rejected(index, code, number):
                    self._skips.refused(path, ops[index].path, code, number)
            return
