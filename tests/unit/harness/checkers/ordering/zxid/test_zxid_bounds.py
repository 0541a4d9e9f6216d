"""What real time says of calls and notes whose place among the zxids is not known, or is."""

from harness.checkers.ordering.zxid import Zxid
from harness.claim import Claim
from worlds.histories.by_hand import history, note, op, returned


def reasons(*parts: list[dict[str, object]]) -> set[str]:
    """Return what is found at the level of a queue that takes the head under a lock."""
    return set(Zxid().check(history(*parts), Claim(level="linearizable")).reasons)


def test_a_put_between_a_read_and_a_write_is_before_the_write() -> None:
    """It has no zxid; that the state it found was read before, and the write began later, tells."""
    before = [
        op("put", 9, 0, 5, zxid=10),
        op("reserve", 9, 10, 15, process=1, consumer="c1", zxid=20),
        op("reserve", None, 20, 25, process=1, consumer="c1", read_zxid=20),
    ]
    first, second = op("put", 1, 30, 35, process=2), op("put", 2, 40, 45, process=3, zxid=30)
    taken = op("reserve", 2, 50, 55, process=1, consumer="c1", zxid=40)
    assert reasons(*before, first, second, taken) == {"fifo-order"}
    overlapping = op("put", 1, 30, 42, process=2)
    assert reasons(*before, overlapping, second, taken) == set()


def test_a_return_is_not_before_its_consumers_last_sign_of_life() -> None:
    """The session's end names the consumer and its session, the return the consumer alone."""
    calls = [
        op("put", 1, 0, 5, zxid=10),
        op("reserve", 1, 10, 15, process=1, consumer="c1", session="0xa", zxid=20),
        op("put", 2, 20, 25, zxid=40),
    ]
    who = {"consumer": "c1", "session": "0xa"}
    for alive_ns, found in ((22, set()), (30, {"real-time"})):
        end = note("session-end", 50, process=1, alive_until_ns=alive_ns, why="expired", **who)
        assert reasons(*calls, end, returned(1, 60, 1, zxid=30)) == found


def test_a_session_may_end_after_the_note_of_its_end() -> None:
    """Who sees that it must be over writes so; until the servers end it, others may be first."""
    calls = [op("put", 1, 0, 5, zxid=10), op("put", 2, 55, 60, zxid=30)]
    end = note("session-end", 50, process=1, alive_until_ns=45, why="expired", zxid=40)
    assert reasons(*calls, end) == set()


def test_a_put_without_zxid_is_before_what_its_process_put_next() -> None:
    """So it is before what others put after that, though the clock leaves it open."""
    for process, found in ((5, {"fifo-order"}), (7, set())):
        unplaced = op("put", 1, 0, 50, process=process)
        following = op("put", 2, 50, 60, process=5, zxid=10)
        other = op("put", 3, 0, 60, process=6, zxid=20)
        taken = op("reserve", 2, 70, 75, process=1, consumer="c1", zxid=30)
        taken += op("reserve", 3, 80, 85, process=1, consumer="c1", zxid=40)
        assert reasons(unplaced, other, following, taken) == found
