"""Stop workers when their process is told to end."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, eq=False)
class _Stop:
    """What signals stop one worker."""

    signals: Sequence[signal.Signals]
    stop: Callable[[], None]


# Whom each signal stops: one event loop may have several workers.
_stops: dict[int, list[_Stop]] = {}
# The handlers that were there before the first of them.
_before: dict[int, Any] = {}


@contextmanager
def stopping_on(signals: Sequence[signal.Signals], stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first of these signals; at the second, do what was done before.

    The first signal stops all workers that have it. Only the main thread can handle signals; in any
    other thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    mine = _Stop(signals, stop)
    for number in signals:
        _stops.setdefault(number, []).append(mine)
        if number not in _before:
            _before[number] = signal.getsignal(number)
            signal.signal(number, _handle)
    try:
        yield
    finally:
        _forget(mine)


def _handle(number: int, _: object) -> None:
    stops = tuple(_stops.get(number, ()))
    for each in stops:
        _forget(each)
        # A handler may interrupt this very thread while it holds the locks that `stop` needs.
        threading.Thread(target=each.stop, name="zkmq-stop", daemon=True).start()
    if not stops:  # the last of them ended on another thread
        _restore(number)
        signal.raise_signal(number)


def _forget(mine: _Stop) -> None:
    for number in mine.signals:
        stops = _stops.get(number, [])
        with suppress(ValueError):  # a signal came first
            stops.remove(mine)
        if not stops:
            _restore(number)


def _restore(number: int) -> None:
    with suppress(ValueError, KeyError):  # a generator may end on another thread; a signal came
        signal.signal(number, _before[number])
        del _before[number]
