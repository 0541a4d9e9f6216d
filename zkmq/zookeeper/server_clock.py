"""The servers' wall clock as a client knows it, without trust in the client's own clock.

It is exact to a round trip, and only chooses buckets. What is due, or too old, is decided with
timestamps that servers made.
"""

from zkmq.zookeeper.store import GetData, Store, Znode


class ServerClock:
    """Follows the timestamps that servers give to this client's writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._offset_ms: float | None = None

    def note(self, mtime_ms: int | None) -> None:
        """Learn from the timestamp of a write that was just answered; None changes nothing."""
        if mtime_ms is not None:
            self._offset_ms = mtime_ms - self._store.now() * 1000

    def now_ms(self, recent: str, deadline_s: float) -> float:
        """Milliseconds since 1970. `recent` is a node that this client has just written."""
        if self._offset_ms is None:
            (node,) = self._store.read_many([GetData(recent)], deadline_s).results
            self.note(node.mtime_ms if isinstance(node, Znode) else 0)
        assert self._offset_ms is not None
        return self._store.now() * 1000 + self._offset_ms
