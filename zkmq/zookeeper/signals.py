"""The signal that a watch sets and a thread waits for."""

import threading
import time


class ThreadSignal:
    """An event that clears itself after each wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._event.set()

    def wait(self, until_s: float) -> bool:
        """Wait until set, or until `until_s` on CLOCK_MONOTONIC; clear, and return which."""
        happened = self._event.wait(max(0.0, until_s - time.monotonic()))
        self._event.clear()
        return happened
