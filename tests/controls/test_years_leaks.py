"""The years bite: whatever is not tidied away, or not forgotten, is seen to grow."""

import pytest

from worlds.growth import grown, small_caches
from worlds.years import Years
from worlds.years_mutants import LEAKS, Leak


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_leak_is_found(leak: Leak) -> None:
    """It grows, and what does is named."""
    with small_caches(), leak.applied():
        months = list(Years(seed=1).months(5, days=14))
    assert [line for line in grown(months) if line.startswith(leak.grows)]
