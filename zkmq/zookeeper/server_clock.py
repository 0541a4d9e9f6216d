"""The servers' wall clock as a client knows it, without trust in the client's own clock.

It is exact to a round trip, and only chooses buckets. What is due, or too old, is decided with
timestamps that servers made.
"""

from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.retries import commit_answered
from zkmq.zookeeper.store import Committed, GetData, Rejected, SetData, Store, Znode


class ServerClock:
    """Follows the timestamps that servers give to this client's writes.

    The client's monotonic clock stands still while its machine is suspended, which ends the
    session. So in a new session the clock asks for the time by a write to `place`.
    """

    def __init__(self, store: Store, place: str) -> None:
        self._store = store
        self._place = place
        self._offset_ms: float | None = None
        # The session in which that was learned.
        self._session: int | None = None

    def note(self, mtime_ms: int | None) -> None:
        """Learn from the timestamp of a write that was just answered; None changes nothing."""
        if mtime_ms is not None:
            self._offset_ms = mtime_ms - self._store.now() * 1000
            self._session = self._store.session_id

    def now_ms(self, recent: str, deadline_s: float) -> float:
        """Milliseconds since 1970. `recent` is a node that this client has just written.

        Raises:
            NoQuorumError: no answer before the deadline.
            AccessDeniedError, ServerRefusedError: the servers refused.
        """
        if self._offset_ms is None:
            (node,) = self._store.read_many([GetData(recent)], deadline_s).results
            self.note(node.mtime_ms if isinstance(node, Znode) else None)
        if self._offset_ms is None or self._session != self._store.session_id:
            self._ask(deadline_s)
        assert self._offset_ms is not None
        return self._store.now() * 1000 + self._offset_ms

    def _ask(self, deadline_s: float) -> None:
        ask = [SetData(self._place, b"", -1)]
        match commit_answered(self._store, self._place, ask, deadline_s):
            case Committed(_, _, mtime_ms):
                self.note(mtime_ms)
            case Rejected(_, code, number):
                raise refusal(self._place, "clock", code, number)
