"""What is tried again on a machine that keeps processes from running still fails if it is wrong."""

import pytest

from worlds.wire import starvation
from worlds.wire.starvation import TRIES, Starvation, unless_starved


class Attempts:
    """Something that has to be in time, and is not for the first few times."""

    def __init__(self, late: int) -> None:
        self.late, self.made = late, 0

    def __call__(self) -> str:
        """Be late, or in time."""
        self.made += 1
        assert self.made > self.late, "late"
        return "in time"


def lost_s(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the machine have kept this process from running for so long."""
    monkeypatch.setattr(Starvation, "since", lambda *_: seconds)


def test_who_was_kept_from_running_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is in time."""
    lost_s(monkeypatch, 6.0)
    attempts = Attempts(late=TRIES - 1)
    assert unless_starved(attempts) == "in time"
    assert attempts.made == TRIES


def test_what_is_always_late_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    lost_s(monkeypatch, 6.0)
    with pytest.raises(AssertionError, match="late"):
        unless_starved(Attempts(late=TRIES))


def test_who_could_run_does_not_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is late by itself."""
    lost_s(monkeypatch, starvation.DECIDES_S / 2)
    attempts = Attempts(late=1)
    with pytest.raises(AssertionError, match="late"):
        unless_starved(attempts)
    assert attempts.made == 1
