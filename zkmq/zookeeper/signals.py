"""What threads wait for. A signal's handler that raises in a wait leaves nothing locked.

`threading.Condition`, and all that is made of it, takes its lock in Python. If a handler raises
there, the lock stays locked, and the thread that wants to wake the others waits for ever. So these
wait in functions written in C, in which a handler may raise, and need no lock.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

# How long a thread waits at most before it looks for a change itself.
LOOK_AGAIN_S = 0.25


class ThreadSignal:
    """An event that clears itself after each wait, for one waiter at a time."""

    def __init__(self) -> None:
        self._came: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the waiter, now or at its next wait."""
        if self._came.empty():
            self._came.put(None)

    def wait(self, until_s: float) -> bool:
        """Wait until set, or until `until_s` on CLOCK_MONOTONIC; clear, and return which."""
        try:
            _get(self._came, until_s - time.monotonic())
        except Empty:
            return False
        with suppress(Empty):
            while True:  # two threads may have set it at once
                self._came.get_nowait()
        return True


class Latch:
    """An event that stays set, for one waiter at a time."""

    def __init__(self) -> None:
        self.is_set = False
        self._came: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the waiter, and let no later wait take time."""
        self.is_set = True
        self._came.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Wait until set, for `timeout_s` at most; return whether it is."""
        if not self.is_set:
            with suppress(Empty):
                _get(self._came, timeout_s)
        return self.is_set


class Changes:
    """Tells any number of waiting threads that something has changed."""

    def __init__(self) -> None:
        self._waiting: list[ThreadSignal] = []

    def tell(self) -> None:
        """Wake all waiters. First change what they wait for."""
        waiting, self._waiting = self._waiting, []
        for signal in tuple(waiting):
            signal.set()

    def wait_for(self, changed: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `changed()` is true, for `timeout_s` at most; return what it was last."""
        if changed():
            return True
        until_s = time.monotonic() + timeout_s
        signal = ThreadSignal()
        try:
            # Be one of those to wake before the look, so that no change comes between.
            self._waiting.append(signal)
            while not changed():
                now_s = time.monotonic()
                if now_s >= until_s:
                    return False
                if signal.wait(min(until_s, now_s + LOOK_AGAIN_S)):
                    self._waiting.append(signal)
            return True
        finally:
            with suppress(ValueError):
                self._waiting.remove(signal)


def _get(came: SimpleQueue[None], timeout_s: float) -> None:
    came.get(timeout=min(max(0.0, timeout_s), threading.TIMEOUT_MAX))
