"""The fence: what took effect after its session's end, by the zxids of both."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from harness.checkers.fencing import Fencing
from harness.claim import Claim
from harness.common.verdict import CheckResult, Verdict
from harness.history.columns import History
from worlds.histories.by_hand import history, note, op

PUT = op("put", 1, 0, 5, zxid=10)
TAKEN = op("reserve", 1, 10, 15, zxid=20, session="0xa", process=1)


def logs(*ends: Mapping[str, int] | None) -> list[dict[str, Any]]:
    """Return what the servers' logs have, one after the other; None could not be read."""
    return [
        line
        for node, zxids in enumerate(ends, 1)
        for line in note(
            "sessions-ended",
            90,
            node=node,
            zxids=dict(zxids or {}),
            error=None if zxids is not None else "OSError: gone",
        )
    ]


def done(zxid: int | None = 40, session: str = "0xa", f: str = "done") -> list[dict[str, Any]]:
    """Return an acknowledgement of the item by the one who took it."""
    return op(f, 1, 30, 35, zxid=zxid, session=session, process=1)


def checked(*parts: Iterable[Mapping[str, Any]]) -> CheckResult:
    """Judge."""
    return Fencing().check(history(*parts), Claim())


@pytest.mark.parametrize("f", ["done", "release"])
def test_what_took_effect_after_its_session_is_found(f: str) -> None:
    """The item was taken in a session that had ended when it was acknowledged, or given back."""
    result = checked(PUT, TAKEN, done(40, "0xb", f), logs({"0xa": 30}))
    assert (result.verdict, result.reasons) == (Verdict.INVALID, ("success-after-expiry",))
    (witness,) = result.witnesses
    assert [shown["f"] for shown in witness.operations] == ["reserve", f]
    assert witness.sentence == (
        f"A {f} of 1 took effect at zxid 0x28, after the session 0xa that it needed had ended "
        "at 0x1e."
    )


def test_a_claim_of_a_dead_session_is_found() -> None:
    """A claim needs the session it was made in."""
    assert checked(PUT, TAKEN, logs({"0xa": 19})).verdict is Verdict.INVALID


def test_what_was_first_is_sound() -> None:
    """All that took effect before the end counts, whenever the answer came."""
    result = checked(PUT, TAKEN, done(), logs({"0xa": 41}, {"0xa": 41}))
    assert (result.verdict, result.details["compared"]) == (Verdict.VALID, 2)


def test_another_hold_of_the_same_process_has_its_own_session() -> None:
    """A client that registered again acknowledges what it took since, not what it lost."""
    again = op("reserve", 1, 20, 25, zxid=35, session="0xb", process=1)
    assert checked(PUT, TAKEN, again, done(40, "0xb"), logs({"0xa": 30})).verdict is Verdict.VALID


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([{"0xa": 30}, {"0xa": 31}], id="they-differ"),
        pytest.param([{"0xa": 30}, {}, {}], id="one-of-three"),
        pytest.param([{"0xa": 30}, {"0xa": 30}, {}, {}], id="half"),
    ],
)
def test_what_most_servers_do_not_have_proves_nothing(told: list[dict[str, int]]) -> None:
    """A leader cut off from the others may have written what never was committed."""
    result = checked(PUT, TAKEN, done(), logs(*told))
    assert (result.verdict, result.details["unsure"]) == (Verdict.VALID, 1)


def test_one_server_that_lost_its_log_hides_nothing() -> None:
    """What was wiped, or came as a snapshot, is in the others' logs."""
    found = checked(PUT, TAKEN, done(), logs({"0xa": 30}, {}, {"0xa": 30}))
    assert found.verdict is Verdict.INVALID


@pytest.mark.parametrize("read", [[None, None], [{}, None]])
def test_logs_that_cannot_be_read_leave_a_doubt(read: list[dict[str, int] | None]) -> None:
    """Not most servers' logs: unknown, never a pass."""
    result = checked(PUT, TAKEN, done(), logs(*read))
    assert (result.verdict, result.reasons) == (Verdict.UNKNOWN, ("sessions-unread",))


@pytest.mark.parametrize(
    ("made", "needs"),
    [
        (lambda: history(PUT, TAKEN), "the servers' logs"),
        (
            lambda: history(PUT, op("reserve", 1, 10, 15, session="0xa"), logs({})),
            "zxids of claims",
        ),
    ],
)
def test_what_it_needs(made: Any, needs: str) -> None:
    """Without zxids, or logs, it cannot run, and says which."""
    run: History = made()
    assert Fencing().unmet(run, Claim()) == needs


def test_it_runs_on_what_it_needs() -> None:
    """One claim with a zxid, and one log, are enough."""
    assert Fencing().unmet(history(PUT, TAKEN, logs({})), Claim()) is None


def test_it_tells_how_much_was_compared() -> None:
    """The calls of sessions that ended, and how many such sessions the calls needed."""
    result = checked(PUT, TAKEN, done(25), logs({"0xa": 30}))
    assert result.details == {"compared": 2, "sessions_ended": 1, "unsure": 0}
