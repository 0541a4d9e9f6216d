"""One call at a time, in any thread; the wait for one's turn counts against one's deadline."""

import threading
import weakref
from collections.abc import Callable
from types import TracebackType

from zkmq.errors import NoQuorumError


class CallLock:
    """Who may use what is not thread-safe. A thread that has its turn may call again.

    A call holds the turn as long as it lives: whatever ended it, a signal's handler that raised
    between two steps of taking or leaving included, it does not hold it any more.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._free = threading.Condition()
        self._holder: weakref.ref[LockedCall] | None = None

    def take(self, deadline_s: float) -> "LockedCall":
        """Wait for the turn, and have it within the context.

        Raises:
            NoQuorumError: the deadline has passed, and another call still has it.
        """
        return LockedCall(self, deadline_s)

    def enter(self, call: "LockedCall", deadline_s: float) -> None:
        """Make it the call's turn."""
        with self._free:
            while (holder := self._holding()) is not None:
                if holder.thread == call.thread:
                    return
                left_s = deadline_s - self._now()
                del holder  # or it would live on in this frame
                if left_s <= 0:
                    raise NoQuorumError("not sent: another call holds the client")
                self._free.wait(left_s)
            self._holder = weakref.ref(call, self._vanished)

    def leave(self, call: "LockedCall") -> None:
        """Let the next one have it."""
        with self._free:
            if self._holding() is call:
                self._holder = None
                self._free.notify()

    def _holding(self) -> "LockedCall | None":
        return None if self._holder is None else self._holder()

    def _vanished(self, _: "weakref.ref[LockedCall]") -> None:
        with self._free:
            self._free.notify()


class LockedCall:
    """One call, from its turn to its end."""

    __slots__ = ("__weakref__", "_deadline_s", "_turn", "thread")

    def __init__(self, turn: CallLock, deadline_s: float) -> None:
        self.thread = 0
        self._turn = turn
        self._deadline_s = deadline_s

    def __enter__(self) -> None:
        self.thread = threading.get_ident()
        self._turn.enter(self, self._deadline_s)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._turn.leave(self)
