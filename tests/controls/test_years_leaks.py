"""The years bite: whatever is not tidied away, or not forgotten, is seen to grow."""

import pytest

from worlds.years.growth import Month, grown, small_caches
from worlds.years.mutants import LEAKS, Leak
from worlds.years.virtual_years import Years


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_leak_is_found(leak: Leak) -> None:
    """It grows within five months, and what does is named."""
    months: list[Month] = []
    with small_caches(), leak.applied():
        for month in Years(seed=1).months(5, days=14):
            months.append(month)
            if any(line.startswith(leak.grows) for line in grown(months)):
                return
    pytest.fail(f"expected more of: {leak.grows}; grown: {grown(months)}")
