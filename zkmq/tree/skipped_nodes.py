"""Nodes that a client cannot use and leaves alone, each logged and marked once.

Any client of the servers can create nodes in a queue's tree, and change the ACLs of nodes. A node
that is in the way, such as a child of an item, or an item that may not be read, must not stop a
client. The client continues without the node, writes a mark below `skipped`, and tries the node
again later. `stats` counts the marks, and people can read them. The janitor deletes a mark once its
node is gone.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable

from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.refusal import refusal, why_refused
from zkmq.zookeeper.store import Code, Create, Store

# At most this many nodes are remembered and marked.
MAX_SKIPS = 1000
TRY_AGAIN_S = 600.0
# After a refusal that is not about the node: a quota or a throttle, which may end at any time.
TRY_AGAIN_SOON_S = 30.0

log = logging.getLogger("zkmq")


class SkippedNodes:
    """The nodes that one client skips. Not thread-safe.

    Without `marks` they are only remembered, for clients that change nothing.
    """

    def __init__(self, store: Store, tree: QueueTree, *, marks: bool = True) -> None:
        self._store = store
        self._tree = tree
        self._marks = marks
        # Path -> when to try the node again, on the store's clock.
        self._until_s: dict[str, float] = {}
        self._told_full = False

    def __contains__(self, path: str) -> bool:
        """Whether to leave a node alone at this moment."""
        return self._until_s.get(path, float("-inf")) > self._store.now()

    def __len__(self) -> int:
        """The number of nodes that are remembered, whether or not their time is over."""
        return len(self._until_s)

    def add(self, path: str, reason: str) -> None:
        """Leave a node alone for ten minutes; log and mark it if it is new."""
        self._add(path, f"{reason}; mend, move or delete it", reason, TRY_AGAIN_S)

    def refused(self, path: str, op_path: str, code: Code, number: int) -> None:
        """Leave a node alone that the servers do not let this client move or delete.

        `op_path` is the path of the operation that they refused.
        """
        why = why_refused(code, number)
        reason = why if path == op_path else f"{op_path}: {why}"
        if code is Code.OTHER:
            self._add(path, f"{reason}; tried again soon", reason, TRY_AGAIN_SOON_S)
        else:
            self.add(path, reason)

    def _add(self, path: str, told: str, reason: str, again_s: float) -> None:
        is_new = path not in self._until_s
        if is_new and len(self._until_s) >= MAX_SKIPS and not self._make_room():
            return
        self._until_s[path] = self._store.now() + again_s
        if is_new and self._marks:
            log.warning("skipped: %s: %s", path, told)
            self._mark(path, reason)

    def deny(self, path: str) -> None:
        """Leave alone a node whose ACL lets this client not read it.

        Raises:
            AccessDeniedError: the node is one of the queue's own places, which all clients need.
        """
        if path.rpartition("/")[0] == self._tree.root:
            raise refusal(path, "read", Code.NO_AUTH)
        self.add(path, "its ACL lets this client not read it")

    def without_foreign(
        self, parent: str, children: Iterable[str], is_ours: Callable[[str], object]
    ) -> list[str]:
        """Return the children whose names are `is_ours`, sorted; leave the others alone."""
        names = sorted(children)
        ours = [name for name in names if is_ours(name)]
        if len(ours) < len(names):
            self.add_foreign(parent, sorted(set(names).difference(ours)))
        return ours

    def add_foreign(self, parent: str, names: Iterable[str]) -> None:
        """Leave alone children whose names no client of a queue makes."""
        for name in names:
            path = f"{parent}/{name}"
            if path not in self:
                self.add(path, "no client of this queue makes nodes of that name")

    def _make_room(self) -> bool:
        """Forget nodes that were not met again lately; False if there are none."""
        long_ago_s = self._store.now() - TRY_AGAIN_S
        self._until_s = {path: s for path, s in self._until_s.items() if s > long_ago_s}
        full = len(self._until_s) >= MAX_SKIPS
        if full and not self._told_full:
            log.warning("skipped: more than %d nodes; further ones are not logged", MAX_SKIPS)
        self._told_full = full
        return not full

    def _mark(self, path: str, reason: str) -> None:
        """Write the mark below `skipped`, without waiting: nothing depends on it."""
        parent = self._tree.place("skipped")
        name = hashlib.sha256(path.encode(errors="replace")).hexdigest()[:32]
        told = json.dumps({"path": path, "reason": reason}).encode()
        # Two writes, since the server refuses the first one once the parent exists.
        self._store.submit([Create(parent)])
        self._store.submit([Create(f"{parent}/{name}", told)])
