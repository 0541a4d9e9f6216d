"""The run's clock."""

import re
import time

from harness.common.run_clock import Clock, utc_stamp


def test_processes_share_the_origin() -> None:
    """Two clocks with one origin tell the same time, so workers' stamps compare."""
    first = Clock()
    second = Clock(first.origin_ns)
    stamps = [first.now_ns(), second.now_ns(), first.now_ns()]
    assert stamps == sorted(stamps)
    assert stamps[0] >= 0


def test_seconds_are_the_same_time() -> None:
    """now_s is now_ns in seconds."""
    clock = Clock(time.monotonic_ns() - 5_000_000_000)
    assert 5 <= clock.now_s() < 6
    assert 5_000_000_000 <= clock.now_ns() < 6_000_000_000


def test_a_moment_that_passed_is_not_waited_for() -> None:
    """sleep_until_s of the past returns at once."""
    clock = Clock(time.monotonic_ns() - 5_000_000_000)
    before_ns = clock.now_ns()
    clock.sleep_until_s(1)
    assert clock.now_ns() - before_ns < 1_000_000_000


def test_the_stamp_sorts_by_time() -> None:
    """A run's name begins with the UTC time to the millisecond, so that names sort by age."""
    stamps = [utc_stamp(), utc_stamp()]
    assert stamps == sorted(stamps)
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z", stamp) for stamp in stamps)
