"""Detects a dead connection and a lost session by the client's own clock, without a server's word.

A server ends a session when it has heard nothing from the client for the granted timeout. The
client knows a time at which a server certainly heard it: when it sent the last request that was
answered. kazoo knows less: it sends pings only while nothing else is sent, and reports a session as
expired only when a server says so.
"""

import logging
import threading
import time
from collections.abc import Callable

from zkmq.zookeeper.signals import ThreadSignal

log = logging.getLogger("zkmq")

# Fractions of the granted timeout since a server last heard the client. kazoo pings an idle
# connection each third. At LOST_AFTER the client stops, before the server's own clock ends it.
DEAD_AFTER = 2 / 3
LOST_AFTER = 0.9


class FailureDetector:
    """Watches one client's connection from its own thread.

    Args:
        heard_s: returns when a server has certainly heard this client, on CLOCK_MONOTONIC.
        drop: called once for each connection that is dead.
        lost: called once for each session that may have ended.
    """

    def __init__(
        self, heard_s: Callable[[], float], *, drop: Callable[[], None], lost: Callable[[int], None]
    ) -> None:
        self._heard_s = heard_s
        self._drop = drop
        self._lost = lost
        self._lock = threading.RLock()
        self._changed = ThreadSignal()
        self._session: int | None = None
        self._granted_s = 0.0
        self._is_up = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="zkmq-failure-detector", daemon=True)

    def connected(self, session: int, granted_s: float) -> None:
        """Start to watch a new connection of a session."""
        with self._lock:
            self._session, self._granted_s, self._is_up = session, granted_s, True
            if not self._thread.is_alive() and not self._stopped:
                self._thread.start()
        self._changed.set()

    def disconnected(self) -> None:
        """Note that the connection has ended; the session may continue."""
        with self._lock:
            self._is_up = False
        self._changed.set()

    def ended(self) -> None:
        """Note that a server ended the session, so that it is not reported again."""
        with self._lock:
            self._session, self._is_up = None, False
        self._changed.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._changed.set()

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._step()
            except Exception:
                log.exception("failure detector: goes on after an error")

    def _step(self) -> None:
        lost = None
        with self._lock:
            due_s = self._due_s()
            is_due = due_s <= time.monotonic() and not self._stopped
            if is_due and self._is_up:
                self._is_up = False
                # Inside the lock, so that `drop` cannot hit a newer connection.
                self._drop()
            elif is_due:
                lost, self._session = self._session, None
        if not is_due:
            self._changed.wait(due_s)
        elif lost is not None:
            self._lost(lost)

    def _due_s(self) -> float:
        """When to drop the connection, or report the session, if nothing is heard until then."""
        if self._session is None:
            return float("inf")
        part = DEAD_AFTER if self._is_up else LOST_AFTER
        return self._heard_s() + self._granted_s * part
