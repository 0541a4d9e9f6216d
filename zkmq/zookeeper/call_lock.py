"""A lock for one call at a time, from any thread. The wait for it counts against the deadline."""

import threading
import weakref
from collections.abc import Callable
from typing import NoReturn, TypeVar

from zkmq.errors import NoQuorumError
from zkmq.zookeeper.signals import Changes

Answer = TypeVar("Answer")


class CallLock:
    """A reentrant lock with deadlines that a raising signal handler cannot leave locked.

    A call that ends in any way leaves the lock. The lock also holds only weak references to calls.
    So if a second handler raises while a call leaves because of the first, the lock is free as
    soon as the exception is forgotten, which keeps the frames of that call.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # Held for a moment, and only by `with`, which takes and leaves a lock without a gap.
        self._mutex = threading.Lock()
        # The calls that hold the lock: of one thread, each within the one before.
        self._calls: list[weakref.ref[_Call]] = []
        self._freed = Changes()

    @property
    def is_held(self) -> bool:
        """Whether a call holds it."""
        return any(each() is not None for each in list(self._calls))

    def run(self, deadline_s: float, act: Callable[[], Answer]) -> Answer:
        """Wait until the lock is free, and call `act` while holding it.

        Raises:
            NoQuorumError: a call of another thread holds the lock until the deadline.
        """
        return self._run(deadline_s, act, _refuse)

    def run_if_free(self, deadline_s: float, act: Callable[[], None]) -> None:
        """Do the same, or nothing if the lock is held until the deadline."""
        self._run(deadline_s, act, lambda: None)

    def _run(
        self, deadline_s: float, act: Callable[[], Answer], held: Callable[[], Answer]
    ) -> Answer:
        call = _Call()
        try:
            try:
                return act() if self._enter(call, deadline_s) else held()
            finally:
                self._leave(call)
        except BaseException:
            self._leave(call)  # again, because a handler may have raised in the first one
            raise

    def _enter(self, call: "_Call", deadline_s: float) -> bool:
        """Wait until this call holds the lock; False if another one does until the deadline."""
        if self._take(call):
            return True
        left_s = deadline_s - self._now()
        return left_s > 0 and self._freed.wait_for(lambda: self._take(call), left_s)

    def _take(self, call: "_Call") -> bool:
        """Hold the lock, unless a call of another thread does."""
        with self._mutex:
            holding = [holder for each in self._calls if (holder := each()) is not None]
            if any(each.thread != call.thread for each in holding):
                return False
            # Beside those of the same thread, so that none of them frees it for all.
            ours = [*holding, call]
            self._calls = [weakref.ref(each, self._vanished) for each in ours]
            return True

    def _leave(self, call: "_Call") -> None:
        with self._mutex:
            self._calls = [each for each in self._calls if each() is not call]
        self._freed.tell()

    def _vanished(self, _: "weakref.ref[_Call]") -> None:
        self._freed.tell()


def _refuse() -> NoReturn:
    raise NoQuorumError("not sent: another call holds the client")


class _Call:
    """One call that holds the lock, or waits for it."""

    __slots__ = ("__weakref__", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
