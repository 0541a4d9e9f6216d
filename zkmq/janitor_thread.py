"""A thread that runs the janitor of one client, on the client's own session."""

import logging
import threading

from zkmq.errors import ClosedError, OutdatedClientError, ZkmqError
from zkmq.janitor import Janitor
from zkmq.store import Delete, Store

PERIOD_S = 2.0

log = logging.getLogger("zkmq.janitor")


class JanitorThread:
    """Runs from `start` to `stop`; an error is logged, and the next round tries again.

    `store` is the session's own, not bound to a charter: who may not write any more has to make
    room for a janitor who may.
    """

    def __init__(self, janitor: Janitor, store: Store, *, period_s: float = PERIOD_S) -> None:
        self._janitor = janitor
        self._store = store
        self._period_s = period_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zkmq-janitor", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Finish the step under way, or give up waiting for it."""
        self._stopping.set()
        self._janitor.wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._janitor.step(self._store.now() + self._period_s * 5)
            except ClosedError:
                return
            except OutdatedClientError as error:
                log.warning("janitor: stops: %s", error)
                self._resign()
                return
            except ZkmqError as error:
                log.warning("janitor: %s", error)
            self._janitor.wake.wait(self._store.now() + self._period_s)

    def _resign(self) -> None:
        if self._janitor.elected:
            self._store.submit([Delete(self._janitor.lock)])
