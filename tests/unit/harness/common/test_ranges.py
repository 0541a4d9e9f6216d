"""Many items in few words."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.common.ranges import Range, ranges, told

VALUES = st.lists(st.integers(-50, 50) | st.text(max_size=2), max_size=60)


@given(VALUES)
def test_ranges_are_exactly_the_values(values: list[int | str]) -> None:
    """Nothing is left out or added, runs are apart from each other, and texts come last."""
    found = ranges(values)
    runs = [run for run in found if not isinstance(run, str)]
    back = [number for first, last in runs for number in range(first, last + 1)]
    assert [*back, *(run for run in found if isinstance(run, str))] == [
        *sorted(v for v in set(values) if isinstance(v, int)),
        *sorted(v for v in set(values) if isinstance(v, str)),
    ]
    assert all(one[1] + 1 < other[0] for one, other in pairwise(runs))


def test_items_are_told_in_a_few_words() -> None:
    """Long runs are `first to last`, single items are named, and the rest is counted."""
    known: list[tuple[list[Range], str]] = [
        ([], ""),
        ([[7, 7]], "item 7"),
        ([[1, 100]], "items 1 to 100"),
        ([[1, 2], [9, 9], "a b"], "items 1, 2, 9, 'a b'"),
        ([[n * 3, n * 3] for n in range(8)], "items 0, 3, 6, 9, 12 and 3 more"),
    ]
    assert [told(items) for items, _ in known] == [words for _, words in known]
