"""A client whose session ended between two calls registers again, as the same process."""

from harness.checkers.evidence.notes import ends
from harness.claim import Claim
from harness.common.verdict import Verdict
from harness.history.columns import NEVER_NS
from harness.judge import judge
from worlds.histories.by_hand import drained, history, note, op

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
