"""Which item a witness of a bare queue's wrong order names."""

from harness.checkers.ordering.fifo import Fifo
from harness.claim import Claim
from worlds.histories.by_hand import history, op


def test_the_item_that_was_taken_first_is_named() -> None:
    """3 overtook both others and is shown once; that 2 overtook 1 as well says no more."""
    puts = [line for value in (1, 2, 3) for line in op("put", value, 10 * value, 10 * value + 5)]
    takes = [
        op("take", 3, 40, 45, process=7),
        op("take", 2, 50, 55, process=8),
        op("take", 1, 60, 65, process=9),
    ]
    result = Fifo().check(history(puts, *takes), Claim(level="linearizable"))
    assert result.reasons == ("fifo-order",)
    assert [witness.values for witness in result.witnesses] == [(2, 3)]
