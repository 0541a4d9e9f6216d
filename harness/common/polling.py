"""Wait for something that can only be looked at again and again, until a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    look: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    *,
    within_s: float,
    every_s: float,
    late: Callable[[T], Exception] | None = None,
) -> T:
    """Look every `every_s` until what is seen is `wanted`; return what was seen last.

    The last look begins after `within_s`, so a machine that stood still does not decide. What it
    sees goes to `late`, which makes the error to raise; without `late` the caller judges it.
    """
    deadline_s = time.monotonic() + within_s
    while True:
        on_time = time.monotonic() < deadline_s
        if wanted(seen := look()):
            return seen
        if not on_time:
            break
        time.sleep(every_s)
    if late is not None:
        raise late(seen)
    return seen
