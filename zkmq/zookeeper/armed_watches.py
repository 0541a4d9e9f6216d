"""The one-shot watches of one waiter, so that it arms none twice."""

from collections.abc import Callable

from zkmq.zookeeper.store import Signal, Watcher


class ArmedWatches:
    """Sets a signal when one of several nodes changes. Watches may fire from any thread."""

    def __init__(self, signal: Signal, *, wanted: Callable[[], bool] = lambda: True) -> None:
        self._signal = signal
        self._wanted = wanted
        self._armed: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._armed

    def arm(self, path: str) -> Watcher | None:
        """Return the watcher to pass with a read of the node; None if one is armed already."""
        if path in self._armed:
            return None

        def fired() -> None:
            self._armed.discard(path)
            if self._wanted():
                self._signal.set()

        self._armed.add(path)
        return fired

    def disarm(self, path: str) -> None:
        """Note that a read with a watcher armed no watch, because the node does not exist."""
        self._armed.discard(path)
