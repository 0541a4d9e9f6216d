"""The `window` checker: in relaxed order fewer smaller items are passed over than W says."""

from typing import Any

import pytest

from harness.checkers.ordering.window import Window
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from worlds.histories.by_hand import history, op

Lines = list[dict[str, Any]]
RELAXED = Claim(level="window")


def puts(*values: int, priority: int = 100) -> Lines:
    """Return puts one after the other, value v from 10 v on at zxid 10 v."""
    return [
        event
        for v in values
        for event in op("put", v, 10 * v, 10 * v + 5, zxid=10 * v, priority=priority)
    ]


def reserve(value: int | list[int], at: int, window: int | None, process: int = 1) -> Lines:
    """Return a reserve from `at` on, at zxid `at`."""
    who = {"process": process, "consumer": f"c{process}"}
    return op("reserve", value, at, at + 5, zxid=at, window=window, **who)


def judged(*parts: Lines, claim: Claim = RELAXED) -> CheckResult:
    """Return what the checker says."""
    return Window().check(history(*parts), claim)


def needs(given: History, claim: Claim = RELAXED) -> str | None:
    """Return what it lacks."""
    return Window().unmet(given, claim)


def test_it_needs_its_claim_zxids_and_windows() -> None:
    """Each of them is asked for by name."""
    whole = history(puts(1), reserve(1, 100, 4))
    assert needs(whole) is None
    assert needs(whole, Claim(level="stale")) == "claim: window"
    assert needs(history(op("put", 1, 0, 5))) == "zxids"
    assert needs(history(puts(1), reserve(1, 100, None))) == "the window of each delivery"


@pytest.mark.parametrize(("window", "valid"), [(1, False), (2, False), (3, True), (4, True)])
def test_fewer_are_passed_over_than_the_window_holds(window: int, *, valid: bool) -> None:
    """The third item is the last that a window of three shows."""
    result = judged(puts(1, 2, 3), reserve(3, 100, window))
    assert result.verdict is (Verdict.VALID if valid else Verdict.INVALID)
    assert result.reasons == (() if valid else ("window-exceeded",))
    assert result.details["most_passed"] == min(2, window)


def test_what_others_hold_is_not_passed_over() -> None:
    """Only available items count."""
    assert not judged(puts(1, 2, 3), reserve(1, 90, 4, 2), reserve(3, 100, 2)).reasons
    assert judged(puts(1, 2, 3), reserve(3, 100, 2), reserve(1, 110, 4, 2)).reasons


def test_urgent_items_that_came_later_need_not_have_been_seen() -> None:
    """With `sync` they must, if they came before the call."""
    parts = puts(1) + puts(2, 3, priority=1) + reserve(1, 100, 2)
    assert not judged(parts).reasons
    assert judged(parts, claim=Claim(level="window", sync=True)).reasons == ("window-exceeded",)


def test_urgent_items_that_were_there_count() -> None:
    """Who sees an item sees all that came before it."""
    assert judged(puts(1, 2, priority=1), puts(3), reserve(3, 100, 2)).reasons


def test_a_delivery_without_its_window_is_not_judged() -> None:
    """It is counted, and most of them make the run unknown."""
    result = judged(puts(1, 2, 3), reserve(3, 100, None), reserve(2, 110, 2, 2))
    assert (result.verdict, result.details["without_window"]) == (Verdict.VALID, 1)
    result = judged(
        puts(1, 2, 3), reserve(3, 100, None), reserve(2, 110, 2, 2), reserve(1, 120, None, 3)
    )
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("few-windows",))


def test_an_unknown_call_may_have_held_what_was_passed_over() -> None:
    """An item it can hide is not counted."""
    unknown = op("reserve", None, 50, None, process=8, consumer="c8")
    assert not judged(puts(1, 2, 3), unknown, reserve(3, 100, 2)).reasons


def test_a_witness_names_what_was_passed_over() -> None:
    """The item, the smaller ones, and the window."""
    (witness,) = judged(puts(1, 2, 3), reserve(3, 100, 2)).witnesses
    assert witness.sentence == (
        "Item 3 was delivered while 2 smaller items were available (1, 2), and its window was 2."
    )
    assert witness.values == (1, 2, 3)


def test_a_witness_names_no_item_of_which_it_is_not_sure() -> None:
    """An item put at the same time as the delivered one is not surely smaller."""
    beside = op("put", 4, 30, 35, zxid=30, priority=100, process=7)
    (witness,) = judged(puts(1, 2, 3), beside, reserve(3, 100, 2)).witnesses
    assert witness.values == (1, 2, 3)
