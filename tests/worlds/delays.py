"""Random delays where threads, sockets and processes begin or go on, so that a race shows itself.

    .venv/bin/pytest --delays 7 tests/unit/zkmq/zookeeper

A thread that starts runs before or after the one that started it goes on, and bytes arrive some
time after they were sent. A machine shows one of the two orders nearly always, and the other once
in a thousand runs. With a delay at random at such places both are seen within a few seeds.
"""

import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import pytest

# Long enough for another thread to come first, short enough for whole files of tests.
MOST_S = 0.06
OFTEN = 0.15
# Most races are at the start of a thread, which happens rarely.
MOST_AT_A_START_S = 0.18
OFTEN_AT_A_START = 0.5

_PLACES: tuple[tuple[type, str], ...] = (
    *((socket.socket, name) for name in ("accept", "close", "connect", "recv", "sendall")),
    (subprocess.Popen, "__init__"),
    (subprocess.Popen, "wait"),
)


@contextmanager
def at_random(seed: int) -> Iterator[None]:
    """Delay this process' threads, sockets and children from here to the end of the block.

    Args:
        seed: of the delays. Which thread comes first depends on the machine as well, so a seed that
            has found a race finds it again often, not always.
    """
    numbers = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _PLACES:
            patch.setattr(owner, name, _late(getattr(owner, name), partial(_wait, numbers)))
        at_a_start = partial(_wait, numbers, OFTEN_AT_A_START, MOST_AT_A_START_S)
        for name in ("run", "start"):
            patch.setattr(
                threading.Thread, name, _late(getattr(threading.Thread, name), at_a_start)
            )
        yield


def _wait(numbers: random.Random, often: float = OFTEN, most_s: float = MOST_S) -> None:
    if numbers.random() < often:
        time.sleep(numbers.random() * most_s)


def _late(call: Any, wait: Any) -> Any:
    @wraps(call)
    def delayed(*args: Any, **kwargs: Any) -> Any:
        wait()
        result = call(*args, **kwargs)
        wait()
        return result

    return delayed
