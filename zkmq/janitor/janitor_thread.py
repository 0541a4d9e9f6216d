"""The thread that runs the janitor of one client, on the client's own session."""

import logging
import threading

from zkmq.errors import ClosedError, OutdatedClientError, ZkmqError
from zkmq.janitor.janitor import Janitor
from zkmq.zookeeper.signals import Latch
from zkmq.zookeeper.store import Store

PERIOD_S = 2.0
# After a longer step, the janitor resigns: another client may be closer to the servers.
STEP_S = 10.0
RESIGN_S = 2.0
# How long a janitor that resigned leaves the lock to others; twice as long each time. If there are
# no others, every duty is still done within ten seconds of the end of the trouble.
AWAY_S = 1.0
MAX_AWAY_S = 4.0
# The pause between two steps, however much there is to do.
PAUSE_S = 0.05
TELL_AGAIN_S = 600.0

log = logging.getLogger("zkmq.janitor")


class JanitorThread:
    """Runs the janitor from `start` to `stop`, and then gives the lock back.

    No error ends the thread before `stop`. It logs the error. After a step that failed or took too
    long it resigns, so that another client is elected, and tries again later. Only a client that is
    too old for the tree stops early.

    `store` is the session without a charter, because a client that may not write any more must
    still delete its lock.
    """

    def __init__(self, janitor: Janitor, store: Store) -> None:
        self._janitor = janitor
        self._store = store
        self._away_s = AWAY_S
        self._told: dict[str, float] = {}
        self._stopping = Latch()
        self._thread = threading.Thread(target=self._run, name="zkmq-janitor", daemon=True)

    def start(self) -> None:
        """Start the thread; call it once."""
        self._thread.start()

    def stop_soon(self) -> None:
        """Finish the step under way and give the lock back; does not wait."""
        self._stopping.set()
        self._janitor.wake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Finish the step under way and give the lock back; wait for that `timeout_s` at most."""
        self.stop_soon()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set:
            try:
                pause_s = self._round()
            except ClosedError:
                return
            except OutdatedClientError as error:
                log.warning("janitor: stops: %s", error)
                break
            self._stopping.wait(PAUSE_S)
            self._janitor.wake.wait(self._store.now() + pause_s)
        self._resign()

    def _round(self) -> float:
        """Do one step; return how long to wait for the next, unless woken."""
        began_s = self._store.now()
        try:
            self._janitor.step(began_s + STEP_S)
        except (ClosedError, OutdatedClientError):
            raise
        except Exception as error:  # noqa: BLE001 - nothing may end this thread
            self._tell(error)
        else:
            if self._store.now() - began_s < STEP_S:
                self._away_s = AWAY_S
                return 0.0 if self._janitor.busy else PERIOD_S
            self._tell(None)
        return self._stand_back()

    def _stand_back(self) -> float:
        """Leave the work to other clients for some time; return how long to wait then."""
        if not self._janitor.elected or not self._resign():
            return PERIOD_S
        away_s, self._away_s = self._away_s, min(self._away_s * 2, MAX_AWAY_S)
        self._stopping.wait(away_s)
        return 0.0

    def _resign(self) -> bool:
        """Give the lock back; False without an answer: then the lock ends with the session."""
        try:
            return self._janitor.resign(self._store, self._store.now() + RESIGN_S)
        except Exception as error:  # noqa: BLE001 - nothing may end this thread unseen
            self._tell(error)
            return False

    def _tell(self, error: Exception | None) -> None:
        """Log what went wrong. The same text is logged again only after ten minutes."""
        what = f"{error}" if error else f"a step took more than {STEP_S:.0f} s"
        now_s = self._store.now()
        if now_s - self._told.get(what, float("-inf")) < TELL_AGAIN_S:
            return
        if len(self._told) > 100:
            self._told.clear()
        self._told[what] = now_s
        unforeseen = error is not None and not isinstance(error, ZkmqError)
        log.warning("janitor: %s", what, exc_info=error if unforeseen else None)
