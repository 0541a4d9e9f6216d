"""Refusing a second put with the same application id, whoever does it.

An id is kept as a node in the bucket of its hour, made in the same write as the item. The hour
before and the hour after are demanded to be free of it, so that two producers at the turn of an
hour cannot miss each other. Buckets are kept for two hours and more.
"""

from zkmq.putting.entry import Entry
from zkmq.tree.paths import QueueTree
from zkmq.tree.time_buckets import TimeBuckets
from zkmq.zookeeper.store import Code, Create, Delete, Op, Store

HOUR_MS = 3_600_000


class Dedup:
    """Builds what a put with an id demands. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._path = tree.place("dedup")
        self._hours = TimeBuckets(store, self._path, HOUR_MS)

    def demand(self, entry: Entry, now_ms: float, deadline_s: float) -> list[Op]:
        """Operations that fail if the id was used, and else use it."""
        hour = self._hours.number(now_ms)
        now, before, after = (
            f"{self._hours.ready(number, deadline_s)}/{entry.dedup_hash}"
            for number in (hour, hour - 1, hour + 1)
        )
        # Making and deleting a node in one write demands that it is not there.
        return [Create(now), Create(before), Delete(before), Create(after), Delete(after)]

    def duplicate(self, op: Op, code: Code) -> str | None:
        """The hash of the id that was refused as a duplicate; None if it was not that."""
        if code is Code.NODE_EXISTS and op.path.startswith(f"{self._path}/"):
            return op.path.rpartition("/")[2]
        return None

    def learn(self, op: Op, code: Code) -> bool:
        """Take note of a bucket that is not there."""
        return self._hours.learn(op, code)
