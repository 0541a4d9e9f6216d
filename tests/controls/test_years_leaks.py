"""The years bite: whatever is not tidied away, or not forgotten, is seen to grow."""

import pytest

from worlds.years.growth import grown, small_caches
from worlds.years.mutants import LEAKS, Leak
from worlds.years.virtual_years import Years


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_leak_is_found(leak: Leak) -> None:
    """It grows, and what does is named."""
    with small_caches(), leak.applied():
        months = list(Years(seed=1).months(5, days=14))
    assert [line for line in grown(months) if line.startswith(leak.grows)]
