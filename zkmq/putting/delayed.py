"""Items that are not to be delivered yet.

They wait in the bucket of the minute in which they are due, and the janitor moves them on. When
one is due is decided by the servers: the stamp of its node's creation, plus its delay.
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
        """A new item; its order counts from when it is due. `unique` is used only once, ever."""
        bucket = self.bucket(now_ms, entry.delay_s, deadline_s)
        return Create(f"{bucket}/d-{entry.priority:03d}-{unique}", entry.envelope)

    def learn(self, op: Op, code: Code) -> bool:
        """Take note of a bucket that is not there."""
        return self.minutes.learn(op, code)

    def bucket(self, now_ms: float, delay_s: float, deadline_s: float) -> str:
        """The node below which an item waits that is due after that delay."""
        number = self.minutes.number(now_ms + delay_s * 1000)
        return self.minutes.ready(number, deadline_s)


def due_ms(node: Znode) -> float:
    """When a delayed item is due, by the servers' clock."""
    header, _ = envelope.unwrap(node.data)
    delay_s: float = header.get("delay_s", 0)
    return node.ctime_ms + delay_s * 1000
