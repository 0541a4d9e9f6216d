"""Delayed items, which are delivered only after some time.

They wait in the bucket of the minute in which they are due; then the janitor moves them. An item is
due `delay_s` after its node was created, by the servers' clock.
"""

from zkmq.putting.entry import Entry
from zkmq.tree import envelope
from zkmq.tree.paths import QueueTree
from zkmq.tree.time_buckets import TimeBuckets
from zkmq.zookeeper.store import Code, Create, Op, Store, Znode

MINUTE_MS = 60_000


class Delayed:
    """Builds the nodes of delayed items. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self.minutes = TimeBuckets(store, tree.place("delayed"), MINUTE_MS)

    def put(self, entry: Entry, now_ms: float, unique: str, deadline_s: float) -> Create:
        """Create a delayed item, which joins its priority when it is due. Never reuse `unique`."""
        bucket = self.bucket(now_ms, entry.delay_s, deadline_s)
        return Create(f"{bucket}/d-{entry.priority:03d}-{unique}", entry.envelope)

    def learn(self, op: Op, code: Code) -> bool:
        """Note that a bucket of minutes is missing, if that is why `op` was refused; else False."""
        return self.minutes.learn(op, code)

    def bucket(self, now_ms: float, delay_s: float, deadline_s: float) -> str:
        """The path of the bucket for an item that is due `delay_s` from now."""
        number = self.minutes.number(now_ms + delay_s * 1000)
        return self.minutes.ready(number, deadline_s)


def due_ms(node: Znode) -> float:
    """When a delayed item is due, in milliseconds since 1970 on the servers' clock."""
    header, _ = envelope.unwrap(node.data)
    delay_s: float = header.get("delay_s", 0)
    return node.ctime_ms + delay_s * 1000
