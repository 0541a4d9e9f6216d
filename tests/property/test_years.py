"""Whatever is used for months is no larger, and no slower, than after the first weeks."""

from worlds.growth import grown, small_caches
from worlds.years import Years


def test_nothing_grows_in_two_months() -> None:
    """Restarts, deaths, lost sessions, clock jumps, releases: nodes, memory and costs stay."""
    with small_caches():
        months = list(Years(seed=1).months(4, days=15))
    assert months[-1].puts > 1500
    assert grown(months) == []
