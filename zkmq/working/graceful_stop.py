"""Stop a worker when its process is told to end."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopping_on(signals: Sequence[signal.Signals], stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first of these signals; at the second, do what was done before.

    Only the main thread can handle signals; in any other thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        with suppress(ValueError):  # a generator may end on another thread
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle(*_: object) -> None:
        restore()
        # A handler may interrupt this very thread while it holds the locks that `stop` needs.
        threading.Thread(target=stop, name="zkmq-stop", daemon=True).start()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
