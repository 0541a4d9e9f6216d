"""A look at servers of which one is busy."""

import pytest

from harness.common import server_states
from harness.common.server_states import LOG_CUT, NodeStatus, answered, end_of, written_since


def seen(*modes: str) -> list[NodeStatus]:
    """One look at so many servers."""
    return [NodeStatus(node=node, mode=mode) for node, mode in enumerate(modes, 1)]


def test_a_server_that_is_busy_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it answers; one that is down or looks for a leader is not waited for."""
    monkeypatch.setattr(server_states, "LOOK_AGAIN_S", 0.0)
    looks = iter([seen("leader", "silent"), seen("silent", "down"), seen("looking", "down")])
    assert answered(lambda: next(looks)) == seen("looking", "down")


def test_a_server_that_never_answers_is_told_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has an end."""
    monkeypatch.setattr(server_states, "ANSWERS_WITHIN_S", 0.0)
    assert answered(lambda: seen("silent")) == seen("silent")


LINES = b"".join(b"2026-12-01 10:00:%06.3f INFO fine\n" % (n / 1000) for n in range(1000))


@pytest.mark.parametrize("old", [b"", b"one line\n", LINES], ids=["empty", "short", "long"])
def test_what_is_new_in_a_log(old: bytes) -> None:
    """It begins where the log ended before, and nothing may be new."""
    assert written_since(old, end_of(old)) == b""
    assert written_since(old + b"new\n", end_of(old)) == b"new\n"


@pytest.mark.parametrize("kept", [len(LINES) // 2, 9], ids=["with-the-mark", "without-it"])
def test_what_is_new_in_a_log_that_lost_its_beginning(kept: int) -> None:
    """It is not where it was: the log has become shorter, though there is something new in it."""
    log = LOG_CUT + LINES[-kept:] + b"new\n"
    new = written_since(log, end_of(LINES))
    assert new == (b"new\n" if kept > 4096 else log)
