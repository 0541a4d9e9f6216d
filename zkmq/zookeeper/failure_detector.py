"""What a client concludes from silence, by its own clock: a dead connection, a lost session.

A server ends a session when it has heard nothing for the time-out it granted. The client knows
when it was certainly heard: not before it sent the last request that was answered. kazoo goes by
less: it pings only while nothing else is sent, and has no word for an expiry that no server told.
"""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger("zkmq")

# Parts of the granted time-out since the last sign of life. An idle connection is pinged each
# third. What is left after the second is the head start before the server's own clock.
DEAD_AFTER = 2 / 3
LOST_AFTER = 0.9


class FailureDetector:
    """Watches one client's connection from a thread of its own.

    Args:
        heard_s: when the server has certainly heard this client, on CLOCK_MONOTONIC.
        drop: called once for each connection that is dead.
        lost: called once for each session that may have ended.
    """

    def __init__(
        self,
        heard_s: Callable[[], float],
        *,
        drop: Callable[[], None],
        lost: Callable[[int], None],
    ) -> None:
        self._heard_s = heard_s
        self._drop = drop
        self._lost = lost
        self._changed = threading.Condition()
        self._session: int | None = None
        self._granted_s = 0.0
        self._is_up = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="zkmq-failure-detector", daemon=True)

    def connected(self, session: int, granted_s: float) -> None:
        """A connection is up, for that session."""
        with self._changed:
            self._session, self._granted_s, self._is_up = session, granted_s, True
            self._changed.notify()
            if not self._thread.is_alive() and not self._stopped:
                self._thread.start()

    def disconnected(self) -> None:
        """The connection has ended; the session may go on."""
        with self._changed:
            self._is_up = False
            self._changed.notify()

    def ended(self) -> None:
        """The session has ended."""
        with self._changed:
            self._session, self._is_up = None, False
            self._changed.notify()

    def stop(self) -> None:
        """Watch no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._step()
            except Exception:
                log.exception("failure detector: goes on after an error")

    def _step(self) -> None:
        lost = None
        with self._changed:
            left_s = self._due_s() - time.monotonic()
            if self._stopped:
                return
            if left_s > 0:
                self._changed.wait(min(left_s, threading.TIMEOUT_MAX))
                return
            if self._is_up:
                self._is_up = False
                # Within the lock: a new connection is not taken for the dead one.
                self._drop()
            else:
                lost, self._session = self._session, None
        if lost is not None:
            self._lost(lost)

    def _due_s(self) -> float:
        """When the next conclusion is due, if nothing is heard until then."""
        if self._session is None:
            return float("inf")
        part = DEAD_AFTER if self._is_up else LOST_AFTER
        return self._heard_s() + self._granted_s * part
