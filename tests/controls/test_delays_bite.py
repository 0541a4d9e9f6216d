"""Random delays show a race, and do not accuse its mended twin."""

import threading
from itertools import count

import pytest

from worlds import delays

pytestmark = pytest.mark.medium


def _is_missed(*, listed_first: bool) -> bool:
    """Whether a thread was not yet listed when it came to work."""
    listed: list[threading.Thread] = []
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(thread in listed))
    if listed_first:
        listed.append(thread)
    thread.start()
    if not listed_first:
        listed.append(thread)
    thread.join()
    return seen == [False]


@pytest.mark.timeout(120)
def test_a_thread_that_works_before_it_is_listed_is_found() -> None:
    """Delays show that what is listed after its start may be missed."""
    with delays.at_random(seed=1):
        assert next(n for n in count() if _is_missed(listed_first=False)) >= 0


def test_a_thread_that_is_listed_first_is_not_accused() -> None:
    """Delays break nothing that is right."""
    with delays.at_random(seed=1):
        assert not any(_is_missed(listed_first=True) for _ in range(20))


def test_delays_end() -> None:
    """After the block threads start as they did before."""
    before = (threading.Thread.start, threading.Thread.run)
    with delays.at_random(seed=1):
        assert threading.Thread.start is not before[0]
    assert (threading.Thread.start, threading.Thread.run) == before
