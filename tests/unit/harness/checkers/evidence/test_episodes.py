"""When an item was in the queue again, after a session that had perhaps acknowledged it."""

from typing import Any

from harness.checkers.evidence.episodes import Episodes, episodes
from harness.history.columns import NEVER_NS
from worlds.histories.by_hand import ended, history, op, returned

HELD = (
    op("put", 1, 0, 5),
    op("reserve", 1, 10, 15, process=1, consumer="c1"),
    op("done", 1, 20, None, process=1, consumer="c1"),
    ended(1, 40, alive_until_ns=30),
)


def second(*parts: list[dict[str, Any]]) -> Episodes:
    """Return the item's stay after its first delivery."""
    stays = episodes(history(*HELD, *parts))
    return stays.where(stays.number == 1)


def test_an_item_perhaps_acknowledged_is_never_surely_back() -> None:
    """Nothing shows that the acknowledgement of unknown outcome did not take effect."""
    other = op("put", 2, 6, 8) + op("reserve", 2, 16, 18, process=1, consumer="c1")
    for parts in ((), (other, returned(1, 50, 2))):
        stay = second(*parts)
        stay = stay.where(stay.put_row == 0)
        assert stay.surely_free_ns.tolist() == [NEVER_NS]
        assert stay.freed_by.tolist() == [-1]


def test_an_item_that_was_returned_is_back_by_then() -> None:
    """A return shows that the acknowledgement took no effect."""
    stay = second(returned(1, 50, 1))
    assert stay.surely_free_ns.tolist() == [50]


def test_an_item_delivered_again_was_back_before() -> None:
    """So does another delivery."""
    stay = second(op("reserve", 1, 60, 65, process=2, consumer="c2"))
    assert stay.surely_free_ns.tolist() == [65]
    assert stay.surely_taken_ns.tolist() == [65]


def test_of_holds_in_either_order_only_the_first_stay_is_known() -> None:
    """The same of each item: two holds at the same time, and none is known to end."""
    puts = op("put", [1, 2], 0, 5)
    holds = [
        line
        for value in (1, 2)
        for process in (value, value + 2)
        for line in op("reserve", value, 10, 20, process=process, consumer=f"c{process}")
        + op("release", value, 22, 25, process=process, consumer=f"c{process}")
    ]
    stays = episodes(history(puts, holds))
    assert sorted(stays.value.tolist()) == [0, 1]
    assert stays.number.tolist() == [0, 0]
