"""How long failed items stay away, and how many items a second a worker takes."""

from random import Random

import pytest

from zkmq.errors import BadArgumentError
from zkmq.working.ending import said
from zkmq.working.rate_limit import RateLimit
from zkmq.working.work_settings import WorkSettings


def test_a_delay_doubles_up_to_its_limit_with_jitter() -> None:
    """Each lies between a half and the whole of what it would be without jitter."""
    settings, rng = WorkSettings(retry_s=2.0, retry_most_s=30.0), Random(1)
    for failures, most_s in ((1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (10_000, 30.0)):
        delays = [settings.delay_s(failures, rng) for _ in range(200)]
        assert most_s / 2 <= min(delays) < most_s * 0.55
        assert most_s * 0.95 < max(delays) <= most_s


def test_without_a_first_delay_there_is_none() -> None:
    """`retry_s=0` brings a failed item back at once, every time."""
    assert WorkSettings(retry_s=0.0).delay_s(9, Random(1)) == 0.0


def test_a_worker_holds_twice_what_it_works_on() -> None:
    """Unless it is told how many it may hold ahead."""
    assert WorkSettings(concurrency=3).capacity == 6
    assert WorkSettings(concurrency=3, batch=10).capacity == 60
    assert WorkSettings(concurrency=3, batch=10, prefetch=0).capacity == 30


def test_a_rate_that_is_none_is_refused() -> None:
    """As is infinity: no limit is None."""
    for rate_hz in (0, -1.0, float("inf"), float("nan"), True, "5"):
        with pytest.raises(BadArgumentError, match="rate_hz"):
            WorkSettings(rate_hz=rate_hz)  # type: ignore[arg-type]


def test_a_bucket_gives_what_its_rate_allows() -> None:
    """One item, then one each half second; a pause saves up no more than one."""
    limit = RateLimit(2.0, at_once=1)
    assert limit.room(100.0) == 1
    limit.take(1)
    assert (limit.room(100.0), limit.next_s()) == (0, 100.5)
    assert limit.room(100.5) == 1
    assert limit.room(200.0) == 1
    limit.take(3)  # a lost answer may bring more than there was room for
    assert limit.next_s() == 201.5


def test_a_fast_bucket_lets_a_worker_take_several_at_once() -> None:
    """A twentieth of a second's worth, so that a rate of thousands is reached."""
    assert RateLimit(1000.0, at_once=1).room(100.0) == 50


def test_the_reason_of_a_dead_letter_can_be_written() -> None:
    """Whatever an error says: nothing, too much, or what UTF-8 cannot hold."""
    assert said(ValueError()) == "ValueError"
    assert said(ValueError("x" * 2000)) == f"ValueError: {'x' * 988}"
    assert said(OSError("\udc80")) == "OSError: \\udc80"
