"""Ctrl-C and its like: the first one ends the command, and cleaning up runs to its end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_stopped: list[int] = []
_NAMES: dict[int, str] = {signal.SIGINT: "Ctrl-C"}


def interrupted() -> bool:
    """Tell whether a signal has ended what was under way."""
    return bool(_stopped)


@contextmanager
def clean_exit() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt; let cleaning up finish.

    The exception's text says which it was: `Ctrl-C`, `SIGTERM` or `SIGHUP`.
    """

    def stop(number: int, _: object) -> None:
        if _stopped:
            complain("still cleaning up; `harness clean` does it if this is ended with -9")
            return
        _stopped.append(number)
        raise KeyboardInterrupt(_NAMES.get(number) or signal.Signals(number).name)

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def complain(text: str) -> None:
    """Write a line to standard error, under the program's name."""
    sys.stderr.write(f"harness: {text}\n")
