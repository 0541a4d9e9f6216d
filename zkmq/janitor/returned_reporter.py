"""A thread that calls `on_returned`, so that the janitor does not wait for the application."""

import logging
import threading
from queue import SimpleQueue

from zkmq.janitor.claim_returner import OnReturned, Returned

MAX_WAITING = 100

log = logging.getLogger("zkmq.janitor")


class ReturnedReporter:
    """Calls `on_returned` on its own thread, in order, until `close`. Thread-safe.

    At most `MAX_WAITING` reports wait. If the application is slower than the janitor, further
    reports are dropped and logged.
    """

    def __init__(self, on_returned: OnReturned) -> None:
        self._on_returned = on_returned
        self._waiting: SimpleQueue[Returned | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="zkmq-returned", daemon=True)
        self._closed = False

    def tell(self, returned: Returned) -> None:
        """Queue one report for the application; does not wait."""
        if self._thread.ident is None:
            self._thread.start()
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(returned)
        else:
            log.warning("on_returned is too slow: it was not told of %d items", len(returned.names))

    def close(self, timeout_s: float) -> None:
        """End the thread after the last report; wait for that `timeout_s` at most."""
        self._closed = True
        if self._thread.ident is None:
            return
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (returned := self._waiting.get()) is not None:
            try:
                self._on_returned(returned)
            except Exception:
                log.exception("on_returned: failed for items of %s", returned.consumer)
            if self._closed and self._waiting.empty():
                return
