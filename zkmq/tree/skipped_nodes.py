"""Nodes that a client cannot use and leaves alone, each logged and marked once.

Anybody who reaches the servers can create nodes in a queue's tree. One that stands in the way of
a client, such as a child below an item, must not stop it: the client goes on without the node,
leaves a mark below `skipped` that `stats` counts and people can read, and tries the node again
later. The janitor deletes a mark once its node is gone.
"""

import hashlib
import json
import logging
from collections.abc import Iterable

from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, Store

# As many are remembered, and marked, at most.
MAX_SKIPS = 1000
TRY_AGAIN_S = 600.0

log = logging.getLogger("zkmq")


class SkippedNodes:
    """What one client skips. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._store = store
        self._tree = tree
        # path -> until when it is skipped, on the store's clock; then it is tried once more.
        self._until_s: dict[str, float] = {}
        self._told_full = False

    def __contains__(self, path: str) -> bool:
        """Whether to leave the node alone now."""
        return self._until_s.get(path, float("-inf")) > self._store.now()

    def __len__(self) -> int:
        """How many nodes were met that are, or were, skipped."""
        return len(self._until_s)

    def add(self, path: str, reason: str) -> None:
        """Leave a node alone for some time; log and mark it if it is new."""
        is_new = path not in self._until_s
        if is_new and len(self._until_s) >= MAX_SKIPS and not self._make_room():
            return
        self._until_s[path] = self._store.now() + TRY_AGAIN_S
        if is_new:
            log.warning("skipped: %s: %s; move or delete it", path, reason)
            self._mark(path, reason)

    def add_foreign(self, parent: str, names: Iterable[str]) -> None:
        """Leave alone, for good, children that no client of this queue has made."""
        for name in names:
            path = f"{parent}/{name}"
            if path not in self:
                self.add(path, "no client of this queue makes nodes of that name")

    def _make_room(self) -> bool:
        """Forget what nobody met again; False if all were met lately."""
        long_ago_s = self._store.now() - TRY_AGAIN_S
        self._until_s = {path: s for path, s in self._until_s.items() if s > long_ago_s}
        full = len(self._until_s) >= MAX_SKIPS
        if full and not self._told_full:
            log.warning("skipped: more than %d nodes; the others are not told", MAX_SKIPS)
        self._told_full = full
        return not full

    def _mark(self, path: str, reason: str) -> None:
        """Tell others; no answer is awaited, since nothing depends on it."""
        parent = self._tree.place("skipped")
        name = hashlib.sha256(path.encode(errors="replace")).hexdigest()[:32]
        told = json.dumps({"path": path, "reason": reason}).encode()
        # Two writes: the first is refused from the second mark on.
        self._store.submit([Create(parent)])
        self._store.submit([Create(f"{parent}/{name}", told)])
