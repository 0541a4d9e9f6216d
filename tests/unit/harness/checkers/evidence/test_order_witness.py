"""Which items a witness of a wrong order names: those that were ahead, and no others."""

from typing import Any

import pytest

from harness.checkers.ordering.priority_fifo import PriorityFifo
from harness.claim import Claim, Level
from harness.common.verdict import Witness
from worlds.histories.by_hand import history, op

Lines = list[dict[str, Any]]
ORDERS = pytest.mark.parametrize("order", ["linearizable", "snapshot"])


def put(value: int, begin_ns: int, priority: int = 100) -> Lines:
    """Return a put of five nanoseconds."""
    return op("put", value, begin_ns, begin_ns + 5, priority=priority)


def reserve(value: int | None, begin_ns: int, process: int = 1) -> Lines:
    """Return a reserve of five nanoseconds."""
    return op("reserve", value, begin_ns, begin_ns + 5, process=process, consumer=f"c{process}")


def witness(*parts: Lines, order: Level) -> Witness:
    """Return the only witness."""
    (only,) = PriorityFifo().check(history(*parts), Claim(level=order)).witnesses
    return only


@ORDERS
def test_the_first_put_of_a_run_is_an_item_like_any_other(order: Level) -> None:
    """What passes for the witness of an item without priority is that it was there, not ahead."""
    found = witness(put(1, 0), put(3, 10, 200), put(2, 20, 1), reserve(1, 30), order=order)
    assert found.values == (1, 2)
    assert found.sentence == (
        "Item 1 was delivered before 2, though 2 is more urgent (1 before 100) and was available "
        "all the while."
    )


@ORDERS
def test_what_came_back_is_named_and_not_what_is_behind(order: Level) -> None:
    """An item that had been delivered before is ahead of one that had not."""
    release = op("release", 1, 40, 45, process=1, consumer="c1")
    puts = put(1, 0) + put(2, 10) + put(3, 20)
    found = witness(puts, reserve(1, 30), release, reserve(2, 50, 2), order=order)
    assert found.values == (1, 2)
    assert found.sentence == (
        "Item 2 was delivered before 1, though 1 had come back to its place ahead of it and was "
        "available all the while."
    )


def test_an_item_whose_first_delivery_was_earlier_is_ahead() -> None:
    """Puts at the same time show no order, but the first deliveries do."""
    puts = op("put", 1, 0, 20, process=7) + op("put", 2, 5, 25, process=8)
    release = op("release", 1, 40, 45, process=1, consumer="c1")
    parts = (puts, reserve(1, 30), release, reserve(2, 50, 2), reserve(1, 60, 3))
    assert witness(*parts, order="linearizable").values == (1, 2)


def test_a_stale_look_is_disproved_by_a_first_delivery() -> None:
    """Under `stale`, what came back says nothing; the item that was put earlier is the proof."""
    release = op("release", 1, 36, 38, process=1, consumer="c1")
    parts = (put(1, 0), put(2, 10), put(3, 20), reserve(1, 30), release, reserve(3, 50, 2))
    found = witness(*parts, reserve(2, 60, 3), order="stale")
    assert found.values == (2, 3)


def test_an_empty_queue_is_disproved_by_the_item_that_was_there_longest() -> None:
    """One item that covers the whole call says more than several that follow each other."""
    parts = (put(1, 0), put(2, 10), reserve(None, 30), reserve(1, 31, 2), reserve(2, 60, 3))
    found = witness(*parts, order="linearizable")
    assert found.values == (2,)
    assert found.sentence == ("A call found the queue empty, though all the while 2 was available.")


def test_items_that_relay_each_other_are_all_named() -> None:
    """Where no item was there during the whole call, each that is needed for the proof is named."""
    parts = (put(1, 0), op("put", 2, 20, 32, process=8), op("reserve", None, 30, 60, process=9))
    found = witness(*parts, reserve(1, 36, 2), reserve(2, 61, 3), order="linearizable")
    assert found.values == (1, 2)
    assert {shown["f"] for shown in found.operations} == {"put", "reserve"}


def test_of_equal_proofs_one_is_shown_for_each_item_in_the_way() -> None:
    """Many deliveries that one lost item blocks are one witness; the rest are counted."""
    puts = [line for value in range(1, 6) for line in put(value, 10 * value)]
    taken = [line for value in range(2, 6) for line in reserve(value, 100 + 10 * value)]
    result = PriorityFifo().check(history(puts, taken), Claim(level="linearizable"))
    assert [shown.values for shown in result.witnesses] == [(1, 2)]
    assert result.more_witnesses == 3
    assert [(found.reason, found.count) for found in result.findings] == [("fifo-order", 4)]
