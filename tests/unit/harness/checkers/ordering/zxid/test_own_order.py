"""A process does one thing after the other: correct runs whose clocks and zxids hardly say so."""

from typing import Any

import pytest

from harness.checkers.ordering.producer_order import ProducerOrder
from harness.checkers.ordering.strictly_increasing import StrictlyIncreasing
from harness.checkers.ordering.zxid import Zxid
from harness.checkers.ownership import Ownership
from harness.claim import Claim, Level
from harness.common.verdict import Verdict
from harness.history.columns import History
from worlds.histories.by_hand import ended, history, note, op, queue_run, returned

Lines = list[dict[str, Any]]
FRESH = Claim(level="snapshot", sync=True)


def put(value: int, begin_ns: int, end_ns: int, **more: Any) -> Lines:
    """Return a put of the one producer."""
    return op("put", value, begin_ns, end_ns, producer="p0", **more)


def by(process: int, f: str, value: Any, begin_ns: int, end_ns: int | None, **more: Any) -> Lines:
    """Return a consumer's call."""
    return op(f, value, begin_ns, end_ns, process=process, consumer=f"c{process}", **more)


def got_again_unseen() -> History:
    """1 gives an item back, 2 has it for a while, 1 gets it again without a reply, and dies."""
    return history(
        put(7, 0, 5, zxid=10),
        by(1, "reserve", 7, 10, 12, zxid=20),
        by(1, "release", 7, 14, 16, zxid=30),
        by(2, "reserve", 7, 20, 22, zxid=40),
        by(2, "release", 7, 24, 26, zxid=50),
        by(1, "reserve", None, 30, None),
        ended(1, 60, alive_until_ns=14, why="in-doubt", zxid=70),
        returned(1, 70, 7, zxid=80),
        by(3, "reserve", 7, 80, 82, zxid=90),
        by(3, "done", 7, 84, 86, zxid=100),
    )


def all_in_one_nanosecond() -> History:
    """Reserve, release, reserve again and done, each begun and answered at 10; no zxids."""
    return history(
        put(7, 0, 5),
        by(1, "reserve", 7, 10, 10),
        by(1, "release", 7, 10, 10),
        by(1, "reserve", 7, 10, 10),
        by(1, "done", 7, 10, 10),
    )


def half_of_the_zxids() -> History:
    """The reserve does not tell its zxid, its done does; all of it in one nanosecond."""
    return history(
        put(7, 10, 10, zxid=10),
        put(8, 10, 10, zxid=11),
        by(1, "reserve", 7, 10, 10, zxid=20),
        by(1, "release", 7, 10, 10),
        by(1, "reserve", 7, 10, 10),
        by(1, "done", 7, 10, 10, zxid=50),
        by(1, "reserve", 8, 10, 10, zxid=60),
    )


def lost_as_it_closed() -> History:
    """A consumer learns, in the nanosecond in which it closes, that another one has its item."""
    return history(
        put(7, 0, 5),
        by(1, "reserve", 7, 10, 12),
        by(2, "reserve", 7, 40, 42),
        note("hold-lost", 50, consumer="c1", values=[7]),
        ended(1, 50, why="closed"),
        by(2, "done", 7, 52, 54),
    )


@pytest.mark.parametrize(
    "run", [got_again_unseen, all_in_one_nanosecond, half_of_the_zxids, lost_as_it_closed]
)
@pytest.mark.parametrize("checker", [Ownership(), Zxid()], ids=["ownership", "zxid"])
def test_a_correct_run_is_not_accused(checker: Ownership | Zxid, run: Any) -> None:
    """No hold is taken for another one of the same process, whatever clock and zxids leave open."""
    if checker.unmet(run(), FRESH) is None:
        assert checker.check(run(), FRESH).reasons in {(), ("few-zxids",)}


def test_a_hold_that_nobody_gave_back_still_lasts_until_its_return() -> None:
    """Without the release the same deaths and returns are a double ownership."""
    run = history(
        put(7, 0, 5, zxid=10),
        by(1, "reserve", 7, 10, 12, zxid=20),
        by(2, "reserve", 7, 20, 22, zxid=40),
        by(2, "release", 7, 24, 26, zxid=50),
        by(1, "reserve", None, 30, None),
        ended(1, 60, alive_until_ns=10, why="in-doubt", zxid=70),
        returned(1, 70, 7, zxid=80),
    )
    assert Zxid().check(run, FRESH).reasons == ("double-ownership",)


def test_a_process_whose_zxids_go_back_is_found_without_a_clock() -> None:
    """Two puts of one process in one nanosecond: the second one cannot take effect first."""
    run = history(put(7, 10, 10, zxid=20), put(8, 10, 10, zxid=19))
    result = Zxid().check(run, FRESH)
    assert (result.verdict, result.reasons) == (Verdict.INVALID, ("real-time",))
    other = history(put(7, 10, 10, zxid=20), put(8, 10, 10, zxid=19, process=1))
    assert Zxid().check(other, FRESH).verdict is Verdict.VALID


def test_an_item_whose_first_delivery_is_not_certain_says_nothing_of_a_producer() -> None:
    """7 was first delivered to 2, or to 1 after 8: in one nanosecond nobody can tell."""
    run = history(
        put(7, 0, 1),
        put(8, 2, 3),
        by(1, "reserve", 8, 10, 10),
        by(1, "reserve", 7, 10, 12),
        by(2, "reserve", 7, 10, 12),
        by(1, "release", 7, 12, 12),
        by(2, "release", 7, 12, 12),
    )
    assert ProducerOrder().check(run, FRESH).verdict is Verdict.VALID
    alone = history(
        put(7, 0, 1), put(8, 2, 3), by(1, "reserve", 8, 10, 10), by(1, "reserve", 7, 10, 10)
    )
    assert ProducerOrder().check(alone, FRESH).reasons == ("producer-order",)


def test_a_hold_that_may_have_ended_early_is_not_taken_for_the_first() -> None:
    """2 had 6 first, and 1, whose session may have ended before the reply, had it after 7."""
    run = history(
        put(6, 0, 1),
        put(7, 2, 3),
        by(2, "reserve", 6, 10, 16),
        by(1, "reserve", 7, 18, 21),
        by(2, "release", 6, 30, 33),
        by(1, "reserve", 6, 28, 31),
        ended(1, 40, alive_until_ns=28, why="killed"),
    )
    assert ProducerOrder().check(run, FRESH).verdict is Verdict.VALID


@pytest.mark.parametrize(
    ("order", "runs"),
    [("linearizable", True), ("snapshot", True), ("stale", True), ("window", False),
     ("unordered", False)],
)  # fmt: skip
def test_strictly_increasing_asks_for_a_claim_of_order(order: Level, *, runs: bool) -> None:
    """Where no order is promised there is none to keep: the checker does not run."""
    needs = StrictlyIncreasing().unmet(queue_run(3, order=[2, 1, 3]), Claim(level=order))
    assert (needs is None) is runs


def test_what_is_not_shown_of_a_producers_order_is_counted() -> None:
    """Ten witnesses, and the number of the others."""
    puts = [line for value in range(1, 14) for line in put(value, 10 * value, 10 * value + 5)]
    taken = by(1, "reserve", 13, 200, 205)
    for value in range(1, 13):
        taken += by(1, "reserve", value, 200 + 10 * value, 205 + 10 * value)
    result = ProducerOrder().check(history(puts, taken), Claim())
    assert (len(result.witnesses), result.more_witnesses) == (10, 2)
    (found,) = result.findings
    assert (found.reason, found.count, set(found.values)) == ("producer-order", 12, {*range(1, 13)})
    assert result.details == {"compared": 13, "groups": 1}
