"""A rate tells how little a few tries say."""

import pytest

from harness.common.rate import Rate


@pytest.mark.parametrize(
    ("count", "of", "told"),
    [
        (1, 1, "1 of 1"),
        (0, 0, "0 of 0"),
        (9, 10, "9 of 10 (60 to 98 %)"),
        (10, 10, "10 of 10 (72 to 100 %)"),
        (0, 10, "0 of 10 (0 to 28 %)"),
        (50, 100, "50 of 100 (40 to 60 %)"),
    ],
)
def test_a_rate_has_bounds(count: int, of: int, told: str) -> None:
    """The bounds are those of Wilson's interval in the tables; one try has none."""
    assert str(Rate(count=count, of=of)) == told


def test_nothing_is_known_without_a_try() -> None:
    """No tries leave everything possible."""
    assert Rate(count=0, of=0).bounds() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("bad", "count", "least", "most"),
    [(0, 0, 0, 1), (0, 3, 0, 0.562), (0, 50, 0, 0.071), (1, 10, 0.018, 0.404), (5, 5, 0.566, 1)],
)
def test_bounds(bad: int, count: int, least: float, most: float) -> None:
    """Wilson's interval, as its tables have it: three runs that passed prove little."""
    assert Rate(count=bad, of=count).bounds() == pytest.approx((least, most), abs=0.001)
