"""How long the machine kept a process from running: what it may not be blamed for."""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

NAP_S = 0.01
# A nap may be that much longer on an idle machine.
LATE_S = 0.005
# An hour of naps, all of them late.
KEPT = 250_000
TRIES = 8
# A machine that kept the process from running for less than this decides nothing.
DECIDES_S = 0.1
Answer = TypeVar("Answer")


class Starvation:
    """Naps of 10 ms, and how late each ended, from its making to `stop`.

    Only the time in which no thread of the process got a processor counts: what the process
    itself used the processor for in a nap, or kept the interpreter's lock for, is its own doing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # When each late nap ended, and how much of it was lost.
        self._stalls: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._nap = (time.monotonic(), time.process_time())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="starvation", daemon=True)
        self._thread.start()

    def since(self, began_s: float) -> float:
        """The seconds lost since then, also within the nap that goes on."""
        with self._lock:
            stalls = [self._stall(), *reversed(self._stalls)]
        total_s = 0.0
        for ended_s, lost_s in stalls:
            if ended_s <= began_s:
                break
            total_s += min(lost_s, ended_s - began_s)
        return total_s

    def ran_s(self, began_s: float) -> float:
        """The seconds since then in which this process could run."""
        return time.monotonic() - began_s - self.since(began_s)

    def stop(self) -> None:
        """Nap no more."""
        self._stopped.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopped.is_set():
            time.sleep(NAP_S)
            with self._lock:
                stall = self._stall()
                if stall[1] > 0.0:
                    self._stalls.append(stall)
                self._nap = (time.monotonic(), time.process_time())

    def _stall(self) -> tuple[float, float]:
        """Until now, and how much of the present nap was lost."""
        began_s, used_s = self._nap
        now_s = time.monotonic()
        own_s = NAP_S + LATE_S + time.process_time() - used_s
        return now_s, max(0.0, now_s - began_s - own_s)


def unless_starved(act: Callable[[], Answer]) -> Answer:
    """Do what has to be in time; again if it fails on a machine that kept the process from running.

    What fails by itself fails each time, and so does this.
    """
    for _ in range(TRIES - 1):
        with Starvation() as starvation:
            began_s = time.monotonic()
            try:
                return act()
            except Exception:
                if starvation.since(began_s) < DECIDES_S:
                    raise
    return act()
