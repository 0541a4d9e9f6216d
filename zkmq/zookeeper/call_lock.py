"""A lock for one call at a time, from any thread. The wait for it counts against the deadline."""

import threading
import weakref
from collections.abc import Callable
from typing import NoReturn, TypeVar

from zkmq.errors import NoQuorumError
from zkmq.zookeeper.signals import Changes

Answer = TypeVar("Answer")

FAIR_AFTER_S = 0.05  # before that, whoever comes first may have it, which saves switches of threads
HAND_OVER_S = 0.25  # enough for a thread of a busy machine to wake up


class CallLock:
    """A reentrant lock with deadlines that a raising signal handler cannot leave locked.

    A call that ends in any way leaves the lock. The lock also holds only weak references to calls.
    So if a second handler raises while a call leaves because of the first, the lock is free as
    soon as the exception is forgotten, which keeps the frames of that call.

    A thread that calls again at once could keep all others out. So the free lock is kept for the
    call that has waited for longest, if that is more than FAIR_AFTER_S, but for HAND_OVER_S at
    most: a waiter that a handler ended blocks nobody.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # Held for a moment, and only by `with`, which takes and leaves a lock without a gap.
        self._mutex = threading.Lock()
        # The calls that hold the lock: of one thread, each within the one before.
        self._calls: list[weakref.ref[_Call]] = []
        # Those that wait for it, in the order of their coming.
        self._waiting: list[weakref.ref[_Call]] = []
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
        """Hold the lock, unless a call of another thread does, or is to have it next."""
        with self._mutex:
            holding = [holder for each in self._calls if (holder := each()) is not None]
            others = any(each.thread != call.thread for each in holding)
            if others or (not holding and self._is_kept_from(call)):
                self._line_up(call)
                return False
            self._forget_waiting(call)
            # Beside those of the same thread, so that none of them frees it for all.
            ours = [*holding, call]
            self._calls = [weakref.ref(each, self._vanished) for each in ours]
            return True

    def _leave(self, call: "_Call") -> None:
        with self._mutex:
            self._calls = [each for each in self._calls if each() is not call]
            self._forget_waiting(call)
        self._freed.tell()

    def _line_up(self, call: "_Call") -> None:
        if not any(each() is call for each in self._waiting):
            call.since_s, call.kept_until_s = self._now(), None
            self._waiting = [*self._waiting, weakref.ref(call)]

    def _forget_waiting(self, call: "_Call") -> None:
        self._waiting = [each for each in self._waiting if each() not in {None, call}]

    def _is_kept_from(self, call: "_Call") -> bool:
        """Whether the free lock is another call's; one that does not come loses its place."""
        now_s = self._now()
        for first in [waiting for each in self._waiting if (waiting := each()) is not None]:
            if first is call or now_s - first.since_s < FAIR_AFTER_S:
                return False
            if first.kept_until_s is None:
                first.kept_until_s = now_s + HAND_OVER_S
            if now_s < first.kept_until_s:
                return True
            self._forget_waiting(first)
        return False

    def _vanished(self, _: "weakref.ref[_Call]") -> None:
        self._freed.tell()


def _refuse() -> NoReturn:
    raise NoQuorumError("not sent: another call holds the client")


class _Call:
    """One call that holds the lock, or waits for it.

    Attributes:
        since_s: when it began to wait.
        kept_until_s: until when the free lock is kept for it, once it is.
    """

    __slots__ = ("__weakref__", "kept_until_s", "since_s", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.since_s = 0.0
        self.kept_until_s: float | None = None
