"""Two deliveries of one item at one zxid: a transaction gives it to one, or takes it back."""

from typing import Any

import pytest

from harness.checkers.ordering.zxid import Zxid
from harness.claim import Claim
from worlds.histories.by_hand import history, op

Lines = list[dict[str, Any]]
WHOLE = (0, 99)


def call(f: str, value: int, zxid: int, by: int) -> Lines:
    """Return a call that overlaps all others: only zxids order them."""
    return op(f, value, *WHOLE, process=by, consumer=f"c{by}", zxid=zxid)


PUTS = op("put", 1, *WHOLE, process="a", zxid=10) + op("put", 2, *WHOLE, process="b", zxid=20)


def reasons(*parts: Lines) -> set[str]:
    """Return what is found."""
    return set(Zxid().check(history(PUTS, *parts), Claim(level="unordered")).reasons)


@pytest.mark.parametrize("value", [1, 2])
def test_no_transaction_gives_an_item_to_two(value: int) -> None:
    """Whichever item it is, and whatever else was delivered."""
    other = call("reserve", 3 - value, 30, 4)
    twice = call("reserve", value, 50, 1) + call("reserve", value, 50, 2)
    assert reasons(other, twice) == {"double-ownership"}


def test_the_return_of_another_item_excuses_nothing() -> None:
    """Neither at the same zxid nor at the one before."""
    twice = call("reserve", 1, 50, 1) + call("reserve", 1, 50, 2)
    for zxid in (40, 50):
        returned = call("reserve", 2, 30, 3) + call("release", 2, zxid, 3)
        assert reasons(returned, twice) == {"double-ownership"}


def test_a_transaction_that_takes_it_back_gives_it_again() -> None:
    """Released and delivered at one zxid, it was its first owner's and then the second's."""
    first = call("reserve", 1, 50, 1) + call("release", 1, 50, 1)
    assert reasons(first, call("reserve", 1, 50, 2)) == set()


def test_what_is_not_shown_is_counted() -> None:
    """Ten of twelve deliveries of what was never put; two more are told as a number."""
    taken = [call("reserve", 10 + n, 50 + n, n) for n in range(12)]
    result = Zxid().check(history(PUTS, *taken), Claim(level="unordered"))
    assert result.reasons == ("never-put",)
    assert (len(result.witnesses), result.more_witnesses) == (10, 2)
