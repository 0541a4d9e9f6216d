"""A thread that tells an application what the janitor took back, so that neither waits."""

import contextlib
import logging
import queue
import threading

from zkmq.janitor.reaper import OnReturned, Returned

MAX_WAITING = 100

log = logging.getLogger("zkmq.janitor")


class ReturnedReporter:
    """Calls `on_returned` on a thread of its own, in order, until `close`. Thread-safe.

    An application that is slower than the janitor misses what is more than `MAX_WAITING` reports
    behind; that is logged.
    """

    def __init__(self, on_returned: OnReturned) -> None:
        self._on_returned = on_returned
        self._waiting: queue.Queue[Returned | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="zkmq-returned", daemon=True)
        self._closed = False

    def tell(self, returned: Returned) -> None:
        """Have it told; does not wait."""
        if self._thread.ident is None:
            self._thread.start()
        try:
            self._waiting.put_nowait(returned)
        except queue.Full:
            log.warning("on_returned: not told of %d items: it is too slow", len(returned.names))

    def close(self, timeout_s: float = 1.0) -> None:
        """End once all is told, or give up waiting for that."""
        self._closed = True
        if self._thread.ident is None:
            return
        with contextlib.suppress(queue.Full):  # then the thread ends after the next report
            self._waiting.put_nowait(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (returned := self._waiting.get()) is not None:
            try:
                self._on_returned(returned)
            except Exception:
                log.exception("on_returned: failed for items of %s", returned.consumer)
            if self._closed and self._waiting.empty():
                return
