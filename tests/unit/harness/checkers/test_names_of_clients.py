"""Clients that share a name: whose end a note tells of."""

import pytest

from harness.checkers.ownership import Ownership
from harness.checkers.total_queue import TotalQueue
from harness.claim import Claim
from harness.common.verdict import Verdict
from worlds.histories.by_hand import drained, history, note, op

NAMED = {"consumer": "c", "session": "s"}


@pytest.mark.parametrize("why", ["closed", "expired", "killed"])
def test_the_end_of_one_client_excuses_no_other_of_its_name(why: str) -> None:
    """A subject may call all its clients the same; two owners at once are found all the same."""
    taken = [
        *op("reserve", 2, 10, 12, process=4, **NAMED),
        *op("done", 2, 13, 14, process=4, **NAMED),
        *op("reserve", 1, 30, 32, process=1, **NAMED),
        *op("reserve", 1, 40, 42, process=2, **NAMED),
        *op("done", 1, 50, 52, process=2, **NAMED),
    ]
    ended = note("session-end", 20, process=4, why=why, alive_until_ns=19, **NAMED)
    run = history(op("put", 1, 0, 5), op("put", 2, 6, 7), taken, ended, drained(60, 70))
    for checker in (Ownership(), TotalQueue()):
        assert checker.check(run, Claim()).verdict is Verdict.INVALID


def test_a_client_goes_on_after_the_end_of_another_of_its_name() -> None:
    """What succeeds then is no call of a session that is gone."""
    ended = note("session-end", 20, process=4, why="expired", alive_until_ns=19, **NAMED)
    first = [*op("take", 2, 10, 12, process=4, **NAMED), *op("put", 1, 0, 5)]
    later = [*op("reserve", 1, 30, 32, process=1, **NAMED), *op("done", 1, 40, 42, process=1)]
    run = history(first, op("put", 2, 6, 7), later, ended, drained(60, 70))
    assert Ownership().check(run, Claim()).verdict is Verdict.VALID


def test_callers_of_one_program_share_their_session_and_its_end() -> None:
    """Processes 1 and 1001 are of one client, whose one session ends for both."""
    ended = note("session-end", 36, process=1001, why="expired", alive_until_ns=33, **NAMED)
    other = op("reserve", 2, 30, 31, process=1001, **NAMED)
    mine = op("reserve", 1, 30, 32, process=1, **NAMED)
    again = [op("take", value, 40 + value, 43, process=value + 1) for value in (1, 2)]
    run = history(op("put", 1, 0, 5), op("put", 2, 6, 7), mine, other, ended, *again)
    assert Ownership().check(run, Claim()).verdict is Verdict.VALID
