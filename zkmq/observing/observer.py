"""Counters and times of one client, given to plain callbacks."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from zkmq.errors import ZkmqError
from zkmq.zookeeper.store import Store

log = logging.getLogger("zkmq.observing")

# What is counted, and what each count means. Names and labels stay as they are.
COUNTERS = {
    "items_put": "Items that were put. Duplicates do not count.",
    "items_taken": "Items that this client reserved.",
    "items_done": "Items that this client acknowledged.",
    "items_released": "Items that this client gave back.",
    "items_dead": "Items that this client made dead letters.",
    "items_lost": "Items that this client held when its session, or their time to run, ended.",
    "items_returned": "Items that this client's janitor took back from consumers.",
    "sessions_lost": "Sessions of this client that ended before it closed.",
    "janitor_elections": "How often this client's janitor was elected.",
}
# What is measured, in seconds.
HISTOGRAMS = {
    "call_seconds": "How long calls took, by call and outcome: ok, refused or unknown.",
    "hold_seconds": "How long items were held until they were done, released, or dead letters.",
}


class Observer(Protocol):
    """What an application, or an exporter, gives to `Queue(observer=...)`.

    Both are called from any thread, within calls of the queue, so they must not block. The names
    are those of `COUNTERS` and `HISTOGRAMS`. An error of theirs is logged, and changes nothing.
    """

    def count(self, name: str, by: int, labels: dict[str, str]) -> None:
        """Add to a counter."""

    def observe(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        """Add a measured time to a histogram."""


class Observing:
    """Calls an observer for one queue, and survives its errors. Thread-safe.

    Every label set has `queue`, the path of the queue.
    """

    def __init__(self, observer: Observer, store: Store, queue: str) -> None:
        self._observer = observer
        self._queue = queue
        self.now = store.now

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Count something."""
        if by:
            with self._safely(name):
                self._observer.count(name, by, {"queue": self._queue, **labels})

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Measure something."""
        with self._safely(name):
            self._observer.observe(name, seconds, {"queue": self._queue, **labels})

    @contextmanager
    def call(self, label: str) -> Iterator[None]:
        """Measure a call. It is `unknown` if an exception says nothing of its outcome."""
        began_s, outcome = self.now(), "unknown"
        try:
            yield
            outcome = "ok"
        except ZkmqError as error:
            outcome = "refused" if error.definite else "unknown"
            raise
        finally:
            self.observe("call_seconds", self.now() - began_s, call=label, outcome=outcome)

    @contextmanager
    def _safely(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            log.exception("%s: %s: the observer failed", self._queue, name)
