"""Whatever is used for months is no larger, and no slower, than after the first weeks."""

from worlds.wire.zookeeper import WireZooKeeper
from worlds.years.growth import grown, small_caches
from worlds.years.restarts import Restarts
from worlds.years.virtual_years import Years


def test_nothing_grows_in_two_months() -> None:
    """Restarts, deaths, lost sessions, clock jumps, releases: nodes, memory and costs stay."""
    with small_caches():
        months = list(Years(seed=1).months(4, days=15))
    assert months[-1].puts > 1500
    # After none of them, since the controls stop at the first month after which a leak is seen.
    assert [line for count in range(2, 5) for line in grown(months[:count])] == []


def test_nothing_grows_in_two_months_of_restarts() -> None:
    """Sessions and queues of the real client that come and go leave no thread and no memory."""
    with small_caches(), WireZooKeeper() as server:
        restarts = Restarts(server)
        months = list(restarts.months(4, days=15))
        restarts.close()
    assert months[-1].puts >= 180
    assert grown(months) == []
