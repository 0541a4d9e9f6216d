"""What a watch sets and a thread waits for."""

import threading
import time


class ThreadSignal:
    """An event that clears itself when it was waited for."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Wake the waiter."""
        self._event.set()

    def wait(self, until_s: float) -> bool:
        """Wait until set or until then; clear."""
        happened = self._event.wait(max(0.0, until_s - time.monotonic()))
        self._event.clear()
        return happened
