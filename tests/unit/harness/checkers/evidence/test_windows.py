"""Windows of time, open at both ends: when one covers a point, and the fewest that cover a span."""

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.checkers.evidence.windows import chain, covered_until


def ints(*values: int) -> NDArray[np.int64]:
    """Return a column."""
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("windows", "span", "layers", "expected"),
    [
        ([(0, 10)], (1, 9), 1, [0]),
        ([(0, 4), (0, 10), (3, 6)], (1, 9), 1, [1]),
        ([(0, 4), (3, 8), (7, 12)], (1, 9), 1, [0, 1, 2]),
        ([(0, 4), (4, 12)], (1, 9), 1, [0]),  # at 4 both are open: nothing covers it
        ([(0, 4), (1, 4)], (1, 9), 1, [0]),  # the other ends at 4, too, and covers nothing more
        ([(2, 12)], (1, 9), 1, []),
        ([(0, 10), (0, 5), (0, 12), (4, 10)], (1, 9), 2, [2, 0]),
        ([(0, 10), (0, 5), (4, 10)], (1, 9), 2, [0, 1, 2]),
        ([(0, 10)], (1, 9), 2, []),
    ],
)
def test_the_fewest_windows_that_cover_a_span(
    windows: list[tuple[int, int]], span: tuple[int, int], layers: int, expected: list[int]
) -> None:
    """The longest first, each point by so many; where they do not suffice, those there are."""
    begin, end = zip(*windows, strict=True)
    assert chain(ints(*begin), ints(*end), *span, layers=layers) == expected


def test_the_first_time_that_no_window_covers() -> None:
    """Windows that overlap are one; where one begins as another ends, that point is free."""
    begin, end = ints(0, 3, 8, 20, 30), ints(5, 8, 12, 20, 40)
    at = ints(0, 1, 4, 7, 8, 9, 12, 15, 20, 31)
    assert covered_until(begin, end, at).tolist() == [0, 8, 8, 8, 8, 12, 12, 15, 20, 40]


def test_without_windows_every_time_is_free() -> None:
    """A window that ends as it begins is none."""
    assert covered_until(ints(5), ints(5), ints(4, 5, 6)).tolist() == [4, 5, 6]
