"""What a witness of a broken ownership shows: the item, and just the calls that prove it."""

from typing import Any

from harness.checkers.ownership import Ownership
from harness.claim import Claim
from harness.common.verdict import Witness
from worlds.histories.by_hand import ended, history, op

Lines = list[dict[str, Any]]
PUTS = [line for value in (1, 2, 3) for line in op("put", value, value, value)]


def by(process: int, f: str, value: int, at_ns: int) -> Lines:
    """Return a consumer's call of five nanoseconds."""
    return op(f, value, at_ns, at_ns + 5, process=process, consumer=f"c{process}")


def only(*parts: Lines) -> Witness:
    """Return the one witness there is."""
    (witness,) = Ownership().check(history(PUTS, *parts), Claim()).witnesses
    return witness


def calls(witness: Witness) -> list[tuple[object, object, object]]:
    """Return process, call and item of each operation shown."""
    return [(shown["process"], shown["f"], shown["value"]) for shown in witness.operations]


def test_two_owners_are_the_two_that_had_it_at_once() -> None:
    """Holds of other items, before and after it, are not shown."""
    found = only(
        by(1, "reserve", 1, 10), by(2, "reserve", 2, 20), by(3, "reserve", 2, 30),
        by(4, "reserve", 3, 40),
    )  # fmt: skip
    assert (found.values, calls(found)) == ((2,), [(2, "reserve", 2), (3, "reserve", 2)])


def test_a_hold_that_was_ended_twice_shows_both_ends() -> None:
    """And where it began; ends of other holds are not shown."""
    found = only(
        by(1, "reserve", 1, 10), by(1, "done", 1, 20), by(1, "done", 1, 30),
        by(2, "reserve", 2, 40), by(2, "done", 2, 50),
    )  # fmt: skip
    assert (found.values, calls(found)) == (
        (1,),
        [(1, "reserve", 1), (1, "done", 1), (1, "done", 1)],
    )


def test_an_end_by_an_owner_whose_session_was_over_names_its_item() -> None:
    """Delivered to another, and acknowledged by the first all the same."""
    gone = ended(1, 30, alive_until_ns=20)
    lines = [by(1, "reserve", 2, 10), gone, by(2, "reserve", 2, 40), by(1, "done", 2, 50)]
    found = Ownership().check(history(PUTS, *lines), Claim())
    assert "stale-ack" in found.reasons
    assert {witness.values for witness in found.witnesses} == {(2,)}
