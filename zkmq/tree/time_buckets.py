"""Parent nodes for one minute, or one hour, of the servers' time. Their names tell their age."""

from zkmq.tree.bounded_set import BoundedSet
from zkmq.zookeeper.refusal import require_access
from zkmq.zookeeper.store import Code, Create, Op, Store


class TimeBuckets:
    """The buckets below one path, made when they are first needed. Not thread-safe."""

    def __init__(self, store: Store, path: str, length_ms: int) -> None:
        self._store = store
        self._path = path
        self._length_ms = length_ms
        self._made = BoundedSet()

    def number(self, time_ms: float) -> int:
        """The number of the bucket of a moment, in milliseconds since 1970."""
        return int(time_ms // self._length_ms)

    def path(self, number: int) -> str:
        """The path of the bucket with this number."""
        return f"{self._path}/{number:010d}"

    def ready(self, number: int, deadline_s: float) -> str:
        """The path of a bucket, made if need be. If that fails, `learn` sees its use refused.

        Raises:
            AccessDeniedError: the servers refused the credentials.
            ServerRefusedError: the servers refused by a rule of their own.
        """
        path = self.path(number)
        if path not in self._made:
            reply = self._store.commit([Create(path)], deadline_s)
            require_access(path, reply)
            self._made.add(path)
        return path

    def learn(self, op: Op, code: Code) -> bool:
        """Note that a bucket is missing, if that is why `op` was refused; else False."""
        if isinstance(op, Create) and code is Code.NO_NODE and op.path.startswith(self._path):
            self._made.discard(op.path.rpartition("/")[0])
            return True
        return False
