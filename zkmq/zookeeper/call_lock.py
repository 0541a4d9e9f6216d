"""A lock for one call at a time, from any thread. The wait for it counts against the deadline."""

import threading
import weakref
from collections.abc import Callable

from zkmq.errors import NoQuorumError


class CallLock:
    """A reentrant lock with deadlines that a raising signal handler cannot leave locked.

    The lock holds a weak reference to its call. So the lock is free as soon as the call is gone,
    even if a signal's handler raised between two steps of taking or releasing it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # `with` takes the lock itself, not the condition: a condition's `__enter__` is Python code,
        # and a signal handler that raises in there would leave it locked for ever.
        self._lock = threading.RLock()
        self._free = threading.Condition(self._lock)
        self._holder: weakref.ref[LockedCall] | None = None

    def take(self, deadline_s: float) -> "LockedCall":
        """Return a context manager that waits for the lock and holds it.

        Raises:
            NoQuorumError: on entry, if another call holds the lock until the deadline.
        """
        return LockedCall(self, deadline_s)

    def enter(self, call: "LockedCall", deadline_s: float) -> None:
        """Wait until the lock is free, and give it to this call."""
        with self._lock:
            while (holder := self._holding()) is not None:
                if holder.thread == call.thread:
                    return
                left_s = deadline_s - self._now()
                del holder  # else this frame would keep the call alive
                if left_s <= 0:
                    raise NoQuorumError("not sent: another call holds the client")
                self._free.wait(left_s)
            self._holder = weakref.ref(call, self._vanished)

    def leave(self, call: "LockedCall") -> None:
        """Release the lock, if this call holds it."""
        with self._lock:
            if self._holding() is call:
                self._holder = None
                self._free.notify()

    def _holding(self) -> "LockedCall | None":
        return None if self._holder is None else self._holder()

    def _vanished(self, _: "weakref.ref[LockedCall]") -> None:
        with self._lock:
            self._free.notify()


class LockedCall:
    """One call that holds the lock, or waits for it."""

    __slots__ = ("__weakref__", "_deadline_s", "_lock", "thread")

    def __init__(self, lock: CallLock, deadline_s: float) -> None:
        self.thread = 0
        self._lock = lock
        self._deadline_s = deadline_s

    def __enter__(self) -> None:
        self.thread = threading.get_ident()
        self._lock.enter(self, self._deadline_s)

    def __exit__(self, *_: object) -> None:
        self._lock.leave(self)
