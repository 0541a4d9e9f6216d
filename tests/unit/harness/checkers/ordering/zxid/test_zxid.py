"""The `zxid` checker: by zxid all calls are one run of a correct queue, in agreement with time."""

from typing import Any

import pytest

from harness.checkers.ordering.zxid import Zxid
from harness.claim import Claim, Level
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from worlds.histories.by_hand import ended, history, note, op

Lines = list[dict[str, Any]]


def put(value: int, zxid: int | None, span: tuple[int, int | None], **more: Any) -> Lines:
    """Return a put by a process of its own; without an end its outcome is unknown."""
    return op("put", value, *span, process=f"put {value}", zxid=zxid, **more)


def reserve(value: int | list[int], zxid: int | None, span: tuple[int, int], by: int = 1) -> Lines:
    """Return a reserve."""
    return op("reserve", value, *span, process=by, consumer=f"c{by}", zxid=zxid)


def empty(read_zxid: int | None, span: tuple[int, int], by: int = 9) -> Lines:
    """Return a reserve that found nothing."""
    return op("reserve", None, *span, process=by, consumer=f"c{by}", read_zxid=read_zxid)


def done(value: int, zxid: int | None, span: tuple[int, int], by: int = 1) -> Lines:
    """Return an acknowledgement."""
    return op("done", value, *span, process=by, consumer=f"c{by}", zxid=zxid)


def release(value: int, zxid: int | None, span: tuple[int, int], by: int = 1) -> Lines:
    """Return a release."""
    return op("release", value, *span, process=by, consumer=f"c{by}", zxid=zxid)


def back(values: list[int], zxid: int | None, at_ns: int, by: int = 1, to: str = "items") -> Lines:
    """Return the note that a dead consumer's items are back."""
    return note("returned", at_ns, consumer=f"c{by}", values=values, to=to, zxid=zxid)


WHOLE = (0, 99)  # as long as all the rest: only zxids order such calls


def judged(given: History, order: Level = "linearizable") -> CheckResult:
    """Return what the checker says."""
    return Zxid().check(given, Claim(level=order))


def reasons(*parts: Lines, order: Level = "linearizable") -> set[str]:
    """Return the reasons that calls in these lines are invalid for; none if they are valid."""
    result = judged(history(*parts), order)
    assert (result.verdict is Verdict.INVALID) == bool(result.reasons)
    return set(result.reasons)


def test_without_zxids_it_does_not_run() -> None:
    """A history of a queue that tells no zxids is not judged."""
    assert Zxid().unmet(history(put(1, None, (0, 5))), Claim()) == "zxids"


def test_calls_that_all_overlap_are_ordered_by_zxid() -> None:
    """Where time says nothing, the zxids alone say that the second put was delivered first."""
    puts = put(1, 10, WHOLE) + put(2, 20, WHOLE)
    assert not reasons(puts, reserve(1, 30, WHOLE), reserve(2, 40, WHOLE, by=2))
    assert reasons(puts, reserve(2, 30, WHOLE), reserve(1, 40, WHOLE, by=2)) == {"fifo-order"}


def test_an_urgent_item_goes_first() -> None:
    """A more urgent item, put later, was available when another was delivered."""
    puts = put(1, 10, WHOLE, priority=5) + put(2, 20, WHOLE, priority=1)
    assert reasons(puts, reserve(1, 30, WHOLE), reserve(2, 40, WHOLE, by=2)) == {"priority-order"}
    assert not reasons(puts, reserve(1, 15, WHOLE), reserve(2, 40, WHOLE, by=2))


def test_nothing_is_available_where_nothing_was_found() -> None:
    """An empty result is judged in the state it was read from."""
    parts = put(1, 10, WHOLE) + reserve(1, 30, WHOLE)
    assert reasons(parts, empty(20, WHOLE)) == {"false-empty"}
    assert not reasons(parts, empty(9, WHOLE))
    assert not reasons(parts, empty(30, WHOLE))


@pytest.mark.parametrize("order", ["snapshot", "stale", "window", "unordered"])
def test_an_empty_result_is_judged_whatever_the_claim(order: Level) -> None:
    """The state that a reserve read was empty, however old it was."""
    parts = put(1, 10, (0, 5)) + reserve(1, 30, (20, 25))
    assert reasons(parts, empty(20, (50, 55)), order=order) == {"false-empty"}
    assert not reasons(parts, empty(9, (50, 55)), order=order)


def test_what_began_later_has_a_larger_zxid() -> None:
    """A put that began after another was over cannot have taken effect before it."""
    assert reasons(put(1, 20, (0, 5)), put(2, 10, (6, 9))) == {"real-time"}
    assert not reasons(put(1, 20, (0, 5)), put(2, 10, (5, 9)))


def test_one_transaction_does_not_begin_after_its_end() -> None:
    """Calls of one zxid overlap."""
    assert reasons(put(1, 10, (0, 5)), put(2, 10, (6, 9))) == {"real-time"}


def test_a_read_is_no_older_than_its_call_only_where_that_is_claimed() -> None:
    """A server that lags answers of the past, which only `linearizable` forbids."""
    parts = put(1, 10, (0, 5)) + empty(9, (6, 8)) + reserve(1, 20, (9, 12))
    assert reasons(parts) == {"real-time"}
    assert not reasons(parts, order="snapshot")


def test_nothing_takes_effect_before_what_was_read_before_it() -> None:
    """A write that began after a read was over is not part of what was read."""
    assert reasons(empty(10, (0, 5)), put(1, 10, (6, 9)), order="stale") == {"real-time"}


def test_calls_of_one_transaction_may_be_in_any_order() -> None:
    """A gateway puts several producers' items in one write; they share a zxid."""
    puts = put(1, 10, WHOLE) + put(2, 10, WHOLE)
    assert not reasons(puts, reserve(1, 30, WHOLE), reserve(2, 40, WHOLE, by=2))
    assert not reasons(puts, reserve(2, 30, WHOLE), reserve(1, 40, WHOLE, by=2))


def test_the_parts_of_a_call_keep_their_order() -> None:
    """A batch is put, and delivered, in its order."""
    batch = op("put", [1, 2], 0, 5, process=7, zxid=10)
    assert not reasons(batch, reserve([1, 2], 20, (6, 9)))
    assert reasons(batch, reserve([2, 1], 20, (6, 9))) == {"fifo-order"}
    assert reasons(batch, reserve(2, 20, (6, 9)), reserve(1, 30, (10, 12))) == {"fifo-order"}


def test_fused_done_and_reserve_share_their_zxid() -> None:
    """One write acknowledges an item and takes the next."""
    puts = put(1, 10, (0, 5)) + put(2, 20, (6, 9))
    both = done(1, 40, (20, 25)) + op("reserve", 2, 20, 25, process=2, consumer="c1", zxid=40)
    assert not reasons(puts, reserve(1, 30, (10, 15)), both)


def test_an_item_has_one_owner_at_any_zxid() -> None:
    """Two reserves of an item overlap in time; by zxid the first had not ended."""
    parts = put(1, 10, WHOLE) + reserve(1, 20, WHOLE) + reserve(1, 40, WHOLE, by=2)
    assert reasons(parts) == {"double-ownership"}
    assert not reasons(parts, release(1, 30, (99, 120)))
    assert reasons(parts, release(1, 50, (99, 120))) == {"double-ownership"}


def test_done_is_for_ever_from_its_zxid_on() -> None:
    """An item that is delivered at a larger zxid than that of its done came back."""
    parts = put(1, 10, WHOLE) + reserve(1, 20, (0, 20)) + reserve(1, 40, WHOLE, by=2)
    assert reasons(parts, done(1, 30, (20, 99))) & {"redelivered-after-done", "stale-ack"}


def test_a_dead_ones_item_is_back_from_the_zxid_of_its_return() -> None:
    """Another can have it after that zxid, and not before, whenever the note was written."""
    parts = put(1, 10, (0, 5)) + reserve(1, 20, (6, 9)) + ended(1, 12, alive_until_ns=12)
    parts += back([1], 50, 90)
    assert not reasons(parts, reserve(1, 60, (20, 99), by=2))
    assert reasons(parts, reserve(1, 40, (20, 99), by=2)) == {"double-ownership"}


def test_a_returned_item_has_its_old_place() -> None:
    """It is ahead of a younger one from the zxid of its return on."""
    parts = put(1, 10, (0, 5)) + put(2, 20, (6, 9)) + reserve(1, 30, (10, 12))
    parts += ended(1, 13) + back([1], 50, 60)
    assert reasons(parts, reserve(2, 55, (14, 99), by=2)) == {"fifo-order"}
    assert not reasons(parts, reserve(2, 45, (14, 99), by=2))


def test_a_stale_look_is_as_old_as_the_item_at_most() -> None:
    """Who sees an item sees all that was there before it; what came later it may not see."""
    younger = put(1, 10, (0, 5), priority=5) + put(2, 20, (6, 9), priority=1)
    older = put(2, 5, (0, 3), priority=1) + put(1, 10, (4, 5), priority=5)
    taken = reserve(1, 30, (20, 25)) + reserve(2, 40, (30, 35), by=2)
    assert not reasons(younger, taken, order="stale")
    assert reasons(younger, taken, order="snapshot") == {"priority-order"}
    assert reasons(older, taken, order="stale") == {"priority-order"}


def test_a_snapshot_may_miss_what_came_after_its_call_began() -> None:
    """An urgent item that is put while a reserve is under way may be passed over."""
    parts = put(1, 10, (0, 5), priority=5) + put(2, 20, (7, 9), priority=1)
    taken = reserve(1, 30, (8, 15)) + reserve(2, 40, (20, 25), by=2)
    assert not reasons(parts, taken, order="snapshot")
    assert reasons(parts, taken) == {"priority-order"}


def test_relaxed_and_unordered_claims_say_nothing_of_order() -> None:
    """There `window`, or nobody, judges the order."""
    parts = put(1, 10, (0, 5)) + put(2, 20, (6, 9)) + reserve(2, 30, (10, 15))
    assert reasons(parts, order="stale") == {"fifo-order"}
    assert not reasons(parts, order="window")
    assert not reasons(parts, order="unordered")


def test_an_unknown_put_stands_wherever_it_may() -> None:
    """It is not held against the queue that an item whose put has no zxid came before another."""
    unknown = op("put", 1, 0, None, process=5)
    later = put(2, 20, (10, 15))
    assert not reasons(unknown, later, reserve(1, 30, (20, 25)), reserve(2, 40, (30, 35)))
    assert not reasons(unknown, later, reserve(2, 30, (20, 25)), reserve(1, 40, (30, 35)))


def test_an_unknown_put_is_no_earlier_than_its_call() -> None:
    """It began after another put was over, so it stands behind it."""
    parts = put(2, 20, (0, 5)) + op("put", 1, 6, None, process=5)
    assert reasons(parts, reserve(1, 30, (20, 25)), reserve(2, 40, (30, 35))) == {"fifo-order"}


def test_an_unknown_reserve_may_have_the_item_that_was_passed_over() -> None:
    """One call can hide one item, not two."""
    puts = put(1, 10, (0, 1)) + put(2, 20, (2, 3)) + put(3, 30, (4, 5))
    unknown = op("reserve", None, 6, None, process=8, consumer="c8")
    assert not reasons(puts, unknown, reserve(2, 40, (10, 15)))
    assert reasons(puts, unknown, reserve(3, 40, (10, 15))) == {"fifo-order"}


def test_an_unknown_reserve_hides_nothing_that_was_delivered_later() -> None:
    """Its session lives, so it cannot have given back what another then got."""
    puts = put(1, 10, (0, 1)) + put(2, 20, (2, 3))
    unknown = op("reserve", None, 6, None, process=8, consumer="c8")
    taken = reserve(2, 40, (10, 15)) + reserve(1, 50, (20, 25), by=2)
    assert reasons(puts, unknown, taken) == {"fifo-order"}


def test_a_call_without_zxid_may_be_anywhere_within_its_time() -> None:
    """An answer that was lost and then read, too late to tell its zxid."""
    parts = put(1, 10, (0, 5)) + reserve(1, 20, (6, 9)) + release(1, None, (10, 30))
    assert not reasons(parts, reserve(1, 40, (20, 25), by=2))
    assert reasons(parts[:4], reserve(1, 40, (20, 25), by=2)) == {"double-ownership"}


def test_an_item_lost_to_the_living_is_left_open() -> None:
    """A consumer that lives was told that it lost an item, and nobody knows at which zxid."""
    parts = put(1, 10, (0, 5)) + reserve(1, 20, (6, 9)) + reserve(1, 40, (20, 25), by=2)
    parts += put(2, 50, (30, 31)) + reserve(2, 60, (32, 33))
    assert reasons(parts) == {"double-ownership"}
    assert not reasons(parts, note("hold-lost", 28, consumer="c1", values=[1]))


def test_an_item_that_was_never_put_is_found() -> None:
    """Nor can one be delivered whose put certainly failed."""
    failed = op("put", 2, 0, 5, process=5, outcome="fail")
    assert reasons(put(1, 10, (0, 5)), reserve(3, 20, (6, 9))) == {"never-put"}
    assert reasons(put(1, 5, (0, 5)), reserve(1, 8, (6, 7)), failed, reserve(2, 20, (8, 9))) == {
        "never-put"
    }


def test_deliveries_are_counted_one_after_the_other() -> None:
    """The count that comes with an item is that of its reserves so far."""

    def counts(first: int, second: int) -> set[str]:
        return reasons(
            put(1, 10, (0, 5)),
            op("reserve", 1, 6, 9, process=1, consumer="c1", zxid=20, delivery=first),
            release(1, 30, (10, 12)),
            op("reserve", 1, 13, 15, process=2, consumer="c2", zxid=40, delivery=second),
        )

    assert not counts(1, 2)
    assert counts(1, 1) == counts(1, 3) == counts(2, 3) == {"delivery-count"}


def test_an_unknown_reserve_may_have_been_counted() -> None:
    """A delivery that nobody saw is part of the count."""
    unknown = op("reserve", None, 6, None, process=8, consumer="c8") + ended(8, 10)
    taken = op("reserve", 1, 20, 25, process=1, consumer="c1", zxid=40, delivery=2)
    assert not reasons(put(1, 10, (0, 5)), unknown, taken)
    assert reasons(put(1, 10, (0, 5)), taken) == {"delivery-count"}


@pytest.mark.parametrize(
    ("unknown", "most"),
    [
        (op("reserve", None, 6, None, process=8, consumer="c8"), 2),
        (op("reserve", None, 6, 7, process=8, outcome="info") + ended(8, 10), 2),
        (
            op("reserve", None, 1, 2, process=8, outcome="info", consumer="c8")
            + ended(8, 2)
            + back([], 5, 3, 8),
            1,
        ),
        (op("reserve", None, 60, 61, process=8, outcome="info"), 1),
        (reserve(2, None, (6, 7), 8), 1),
        (reserve(1, None, (6, 7), 8), 2),
        (back([1], 35, 40, 7), 2),
        (back([1], 55, 70, 7), 1),
    ],
    ids=["open", "ended", "over before", "later", "of another", "of its own", "told", "told later"],
)
def test_only_what_may_have_come_in_between_explains_a_count(unknown: Lines, most: int) -> None:
    """A call, or a note, that cannot be of a hold before the delivery is no excuse."""
    seen = empty(9, (2, 3), 7)
    for count in (1, 2, 3):
        taken = op("reserve", 1, 50, 55, process=1, consumer="c1", zxid=50, delivery=count)
        found = reasons(put(1, 10, (4, 5)), seen, unknown, taken) & {"delivery-count"}
        assert found == (set() if count <= most else {"delivery-count"})


def test_mostly_without_zxids_it_is_unknown() -> None:
    """A history most calls of which lack their zxid shows little."""
    parts = [put(n, None, (n, n)) for n in range(2, 5)]
    result = judged(history(put(1, 10, (0, 0)), *parts))
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("few-zxids",))
    assert result.details["ok_without_zxid"] == 3


def test_a_witness_shows_the_calls_at_their_times() -> None:
    """The sentence is in words, and the operations are those of the history."""
    given = history(
        put(1, 10, WHOLE), put(2, 20, WHOLE), reserve(2, 30, WHOLE), reserve(1, 40, WHOLE, by=2)
    )
    (witness,) = judged(given).witnesses
    assert witness.sentence == (
        "Item 2 was delivered before 1, though 1 was put at a smaller zxid and was still in the "
        "queue."
    )
    assert witness.values == (1, 2)
    assert {operation["complete_ns"] for operation in witness.operations} == {99}


def test_a_disagreement_with_time_names_both_calls() -> None:
    """Which was over, which began, and their zxids."""
    (witness,) = judged(history(put(1, 20, (0, 5)), put(2, 10, (6, 9)))).witnesses
    assert witness.sentence == (
        "Though the put of 1 was over when the put of 2 began, the second has zxid "
        "0xa, not above 0x14."
    )


def test_many_false_empties_do_not_hide_an_order_that_is_wrong() -> None:
    """Each reason is given, however many reports another one makes."""
    puts = put(1, 10, (0, 5)) + put(2, 20, (6, 9))
    empties = [empty(20, (100 + n, 101 + n), by=50 + n) for n in range(40)]
    taken = reserve(2, 30, (200, 205)) + reserve(1, 40, (210, 215), by=2)
    assert reasons(puts, taken, *empties, order="stale") == {"false-empty", "fifo-order"}
