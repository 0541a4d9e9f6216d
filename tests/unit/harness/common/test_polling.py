"""Waiting by looking: what is returned, and what is raised after the deadline."""

from types import SimpleNamespace

import pytest

from harness.common.polling import wait_until


def test_the_first_wanted_look_is_returned() -> None:
    """It looks until what it sees is wanted, and no further."""
    looks = iter([1, 2, 3, 4])
    assert wait_until(lambda: next(looks), lambda seen: seen > 2, within_s=60, every_s=0) == 3
    assert next(looks) == 4


def test_after_the_deadline_the_last_look_is_returned() -> None:
    """Without an error to raise, the caller decides what the last look is worth."""
    assert wait_until(lambda: 0, within_s=0, every_s=0) == 0


def test_the_error_is_made_of_the_last_look() -> None:
    """With an error to raise, it says what was seen last."""
    with pytest.raises(ValueError, match="got 7"):
        wait_until(
            lambda: 7,
            lambda _: False,
            within_s=0,
            every_s=0,
            late=lambda seen: ValueError(f"got {seen}"),
        )


def test_a_slow_look_is_not_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes true while a look lasts longer than the deadline is seen by the last one."""
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0], sleep=lambda _: None)
    monkeypatch.setattr("harness.common.polling.time", clock)  # no other thread's
    looks = iter([False, True])

    def slow() -> bool:
        now_s[0] += 100.0
        return next(looks)

    assert wait_until(slow, within_s=5, every_s=1)
