"""A limit for the calls of a subject: one that outlives it ends the process, with a sentence."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

TICK_S: Final = 0.25


@dataclass(slots=True)
class _Call:
    what: str
    within_s: float
    ticks: int = 0


def end_process(sentence: str) -> None:
    """Write where the main thread stands, and then the sentence, to standard error; end at once.

    It ends if nothing can be written, too: on a full disk.
    """
    try:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
        traceback.print_stack(frame)
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    finally:
        os._exit(1)


class Watchdog:
    """Watches the one call that is in progress, from a thread.

    It counts its own ticks, so that the time in which the process was stopped does not count.
    """

    def __init__(self, late: Callable[[str], None] = end_process) -> None:
        self._late = late
        self._call: _Call | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(self, what: str, within_s: float) -> Iterator[None]:
        """End the process if what happens inside is not over within so many seconds."""
        if self._thread is None:  # only now: most workers have nothing to watch
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        outer, self._call = self._call, _Call(what, within_s)
        try:
            yield
        finally:
            self._call = outer

    def close(self) -> None:
        """End the thread, if there is one."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(TICK_S):
            call = self._call
            if call is None:
                continue
            call.ticks += 1
            if call.ticks * TICK_S > call.within_s:
                self._late(f"{call.what}: expected its end within {call.within_s:g} s, got none")
