"""Refuse a second put with the same application id, from any client.

A put creates a node for its id in the bucket of the hour, in the same write as the item. The write
also fails if the id is in the bucket of the hour before or after, so that two producers at the turn
of an hour cannot miss each other. The janitor keeps buckets for two hours and more.
"""

from zkmq.putting.entry import Entry
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.time_buckets import TimeBuckets
from zkmq.zookeeper.store import Code, Create, Delete, Op, Store

HOUR_MS = 3_600_000


class Dedup:
    """Builds the operations by which a put with an id fails if it is a duplicate."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._path = tree.place("dedup")
        self._hours = TimeBuckets(store, self._path, HOUR_MS)

    def checks(self, entry: Entry, now_ms: float, deadline_s: float) -> list[Op]:
        """Operations that fail if the id was used, and otherwise record it."""
        hour = self._hours.number(now_ms)
        now, before, after = (
            f"{self._hours.ready(number, deadline_s)}/{entry.dedup_hash}"
            for number in (hour, hour - 1, hour + 1)
        )
        # A write that creates and deletes a node fails if the node exists.
        return [Create(now), Create(before), Delete(before), Create(after), Delete(after)]

    def duplicate(self, op: Op, code: Code) -> str | None:
        """The hash of the id that was refused as a duplicate; None if `op` failed otherwise."""
        if code is Code.NODE_EXISTS and op.path.startswith(f"{self._path}/"):
            return last_part(op.path)
        return None

    def learn(self, op: Op, code: Code) -> bool:
        """Note that a bucket of ids is missing, if that is why `op` was refused; else False."""
        return self._hours.learn(op, code)
