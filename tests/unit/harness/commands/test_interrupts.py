"""Signals that end a command: each is called by its name."""

import os
import signal
from collections.abc import Iterator

import pytest

from harness.commands import interrupts


@pytest.fixture(autouse=True)
def _not_stopped_yet() -> Iterator[None]:
    """Forget the signals of other tests, and of this one."""
    interrupts._stopped.clear()
    yield
    interrupts._stopped.clear()


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")],
)
def test_an_interruption_says_what_it_was(number: signal.Signals, told: str) -> None:
    """Who stopped a run in CI looks for a time limit, and not for a person at a keyboard."""
    with pytest.raises(KeyboardInterrupt, match=told), interrupts.clean_exit():
        os.kill(os.getpid(), number)
    assert interrupts.interrupted()
