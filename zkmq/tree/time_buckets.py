"""Nodes grouped by a stretch of the servers' time, so that what is old can be found by name."""

from zkmq.tree.bounded_set import BoundedSet
from zkmq.zookeeper.refusal import demand_access
from zkmq.zookeeper.store import Code, Create, Op, Store


class TimeBuckets:
    """The buckets under one path, made when they are first needed. Not thread-safe."""

    def __init__(self, store: Store, path: str, length_ms: int) -> None:
        self._store = store
        self._path = path
        self._length_ms = length_ms
        self._made = BoundedSet()

    def number(self, time_ms: float) -> int:
        """The bucket of a moment."""
        return int(time_ms // self._length_ms)

    def path(self, number: int) -> str:
        """A bucket's node."""
        return f"{self._path}/{number:010d}"

    def ready(self, number: int, deadline_s: float) -> str:
        """A bucket's node, made if need be; if that fails, its use is refused and `learn`s it."""
        path = self.path(number)
        if path not in self._made:
            reply = self._store.commit([Create(path)], deadline_s)
            demand_access(path, reply)
            self._made.add(path)
        return path

    def learn(self, op: Op, code: Code) -> bool:
        """Take note of a refused creation in a bucket that is not there; False if it is not so."""
        if isinstance(op, Create) and code is Code.NO_NODE and op.path.startswith(self._path):
            self._made.discard(op.path.rpartition("/")[0])
            return True
        return False
