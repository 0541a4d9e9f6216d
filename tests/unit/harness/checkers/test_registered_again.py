"""A client whose session ended between two calls registers again, as the same process."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.checkers.evidence.holds import RETURNED, holds
from harness.checkers.evidence.notes import ends
from harness.claim import Claim
from harness.common.verdict import Verdict
from harness.history.columns import NEVER_NS, History
from harness.judge import judge
from worlds.histories.by_hand import drained, history, note, op

Lines = list[dict[str, Any]]
Told = Callable[[Sequence[Lines]], list[Lines]]
FIRST = {"process": 1, "session": "0xa", "consumer": "c-first"}
SECOND = {"process": 1, "session": "0xb", "consumer": "c-second"}
RUN = (
    op("put", 1, 0, 5, zxid=10),
    op("put", 2, 6, 8, zxid=11),
    op("reserve", 1, 10, 15, zxid=20, delivery=1, **FIRST),
    op("done", 1, 16, 18, zxid=21, **FIRST),
    op("reserve", 2, 30, 35, zxid=40, delivery=1, **SECOND),
    op("done", 2, 36, None, process=1),
)
AGAIN = (
    op("reserve", 2, 60, 65, zxid=60, delivery=2, process=2, session="0xc", consumer="c2"),
    op("done", 2, 66, 68, zxid=61, process=2, session="0xc", consumer="c2"),
    drained(70, 80),
)


def killed(session: str, consumer: str) -> list[dict[str, object]]:
    """Return that the client was killed, by the registration it had at last."""
    return note(
        "session-end", 40, session=session, consumer=consumer, why="killed", alive_until_ns=36
    )


def returned(consumer: str) -> list[dict[str, object]]:
    """Return that the janitor brought back what a dead consumer held."""
    return note("returned", 50, consumer=consumer, values=[2], to="items", zxid=50)


def test_registrations_are_all_known() -> None:
    """The process is whoever it ever was."""
    known = history(*RUN).registrations[history(*RUN).number_of_process[1]]
    assert known == {"session": ["0xa", "0xb"], "consumer": ["c-first", "c-second"]}


def test_the_end_of_the_second_registration_ends_the_holds() -> None:
    """What it held when it was killed may come again: that is no fault of the queue."""
    run = history(*RUN, killed("0xb", "c-second"), returned("c-second"), *AGAIN)
    assert judge(run, Claim(level="stale")).verdict is Verdict.VALID


def test_what_comes_back_of_the_first_says_nothing_of_the_second() -> None:
    """A janitor may be late with the first registration; the second's items are still held."""
    early = history(*RUN, killed("0xb", "c-second"), returned("c-first"))
    late = history(*RUN, killed("0xb", "c-second"), returned("c-second"))
    process = early.number_of_process[1]
    assert ends(early).recovered_ns[process] == NEVER_NS
    assert ends(late).recovered_ns[process] == 50


def test_a_delivery_that_nothing_explains_is_found_all_the_same() -> None:
    """Without an end, or a return, two own the item."""
    assert judge(history(*RUN, *AGAIN), Claim(level="stale")).verdict is Verdict.INVALID


PUT = op("put", 1, 0, 5, zxid=10)
LATE = drained(80, 90)


def without_zxids(lines: Sequence[Lines]) -> list[Lines]:
    """Return the same lines as a queue would write that tells no zxids."""
    return [[{k: v for k, v in line.items() if k != "zxid"} for line in part] for part in lines]


def reasons(run: History) -> set[str]:
    """Return all that the checkers found or missed."""
    results = judge(run, Claim(level="stale")).results
    return {reason for result in results for reason in result.reasons}


@pytest.mark.parametrize("told", [list, without_zxids])
def test_one_reserve_may_get_again_what_its_first_registration_lost(told: Told) -> None:
    """What the janitor brought back during the call was never held by the second registration."""
    seen = op("reserve", None, 6, 8, **FIRST)
    again = op("reserve", 1, 20, 60, zxid=51, delivery=2, **SECOND)
    acked = op("done", 1, 61, 65, zxid=52, **SECOND)
    brought = note("returned", 50, consumer="c-first", values=[1], to="items", zxid=50)
    run = history(*told([PUT, seen, again, acked, brought, LATE]))
    assert reasons(run) <= {"few-zxids"}


@pytest.mark.parametrize("told", [list, without_zxids])
def test_what_was_brought_back_is_the_hold_of_the_registration_that_had_it(told: Told) -> None:
    """The note comes while the second registration's reserve is under way, but ends the first."""
    first = op("reserve", 1, 10, 15, zxid=20, delivery=1, **FIRST)
    again = op("reserve", 1, 20, 60, zxid=51, delivery=2, **SECOND)
    acked = op("done", 1, 61, 65, zxid=52, **SECOND)
    brought = note("returned", 50, consumer="c-first", values=[1], to="items", zxid=50)
    run = history(*told([PUT, first, again, acked, brought, LATE]))
    endings = holds(run).endings
    assert list(endings.hold[endings.kind == RETURNED]) == [0]
    assert reasons(run) <= {"few-zxids"}


@pytest.mark.parametrize("told", [list, without_zxids])
def test_an_acknowledgement_after_the_own_return_is_found(told: Told) -> None:
    """The note is about the registration that acknowledges."""
    seen = op("reserve", None, 6, 8, **FIRST)
    again = op("reserve", 1, 20, 40, zxid=41, delivery=2, **SECOND)
    brought = note("returned", 50, consumer="c-second", values=[1], to="items", zxid=50)
    acked = op("done", 1, 61, 65, zxid=52, **SECOND)
    run = history(*told([PUT, seen, again, acked, brought, LATE]))
    assert "stale-ack" in reasons(run)


def test_a_note_of_an_unseen_hold_explains_one_delivery_and_no_more() -> None:
    """The second registration's is the second delivery, or the item was miscounted."""
    seen = op("reserve", None, 6, 8, **FIRST)
    brought = note("returned", 50, consumer="c-first", values=[1], to="items", zxid=50)
    again = [op("reserve", 1, 20, 60, zxid=51, delivery=n, **SECOND) for n in (2, 3)]
    acked = op("done", 1, 61, 65, zxid=52, **SECOND)
    counted, miscounted = (history(PUT, seen, got, acked, brought, LATE) for got in again)
    assert (reasons(counted), reasons(miscounted)) == (set(), {"delivery-count"})
