"""Whoever returns items as those of a dead consumer must be right about its death."""

from typing import Any

import pytest

from harness.checkers.ordering.zxid import Zxid
from harness.checkers.ownership import Ownership
from harness.claim import Claim
from worlds.histories.by_hand import ended, history, note, op

Lines = list[dict[str, Any]]
FIRST = {"process": 1, "session": "0xa", "consumer": "c1"}
SECOND = {"process": 1, "session": "0xb", "consumer": "c2"}
PUTS = [*op("put", 1, 0, 5, zxid=10), *op("put", 2, 6, 8, zxid=11)]
HELD = op("reserve", 1, 10, 15, zxid=20, **FIRST)
TAKEN = op("reserve", 1, 25, 28, zxid=40, process=2, session="0xc", consumer="c-other")


def returned(at_ns: int = 20, zxid: int | None = 30, **more: object) -> Lines:
    """Return that the first registration's item is back."""
    return note("returned", at_ns, consumer="c1", values=[1], to="items", zxid=zxid, **more)


def reasons(*lines: Lines) -> list[set[str]]:
    """Return what is found by time, and by zxid."""
    run = history(PUTS, HELD, *lines)
    return [set(checker.check(run, Claim()).reasons) for checker in (Ownership(), Zxid())]


@pytest.mark.parametrize("zxid", [30, None])
@pytest.mark.parametrize("f", ["reserve", "done", "release"])
def test_who_goes_on_was_not_dead(f: str, zxid: int | None) -> None:
    """Any change of the same registration shows that it lived, whatever became of its item."""
    other = op("reserve", 2, 16, 18, zxid=21, **FIRST) if f != "reserve" else []
    later = op(f, 2, 40, 45, zxid=50, **FIRST)
    for found in reasons(other, returned(zxid=zxid, dead=True), TAKEN, later):
        assert "taken-from-the-living" in found
    run = history(PUTS, HELD, other, returned(dead=True), TAKEN, later)
    (witness,) = (
        each for each in Ownership().check(run, Claim()).witnesses if "dead" in each.sentence
    )
    assert witness.sentence == (
        f"A {f} of 2 succeeded after items of 1 had been returned, as if it were dead."
    )


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([returned(), op("reserve", 2, 40, 45, zxid=50, **FIRST)], id="out-of-time"),
        pytest.param(
            [returned(dead=True), op("reserve", 2, 40, 45, zxid=50, **SECOND)],
            id="registered-again",
        ),
        pytest.param(
            [returned(dead=True), op("put", 3, 40, 45, zxid=50, process=1, session="0xa")],
            id="a-put-needs-no-registration",
        ),
        pytest.param(
            [returned(dead=True), op("reserve", None, 40, 45, read_zxid=50, **FIRST)],
            id="a-look-needs-none",
        ),
        pytest.param(
            [returned(dead=True), op("done", 1, 40, 45, outcome="fail", **FIRST)], id="refused"
        ),
        pytest.param(
            [op("reserve", 2, 16, 45, zxid=25, **FIRST), returned(dead=True)], id="answered-later"
        ),
        pytest.param([returned(dead=True), ended(1, 60, why="expired")], id="dead"),
    ],
)
def test_who_was_dead_or_out_of_time_is_no_violation(lines: list[Lines]) -> None:
    """A queue may limit the time of a hold; and what began before shows nothing."""
    for found in reasons(*lines):
        assert "taken-from-the-living" not in found
