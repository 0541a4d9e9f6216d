"""Clocks of servers that cannot be asked: set all the same, and never a failure of the run."""

from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from cluster import clock
from cluster.config import FAKETIME_LIBRARY
from cluster.errors import ClusterError
from cluster.pod import Pod
from harness.faults.clock import Clock
from harness.faults.clock_strobe import ClockStrobe

NOT_RUNNING = ClusterError("date: 409 Client Error: Conflict")


def pod(status: str) -> tuple[Pod, list[list[str]]]:
    """Return a node whose server is in a state, and the list of what its sandbox runs."""
    ran: list[list[str]] = []
    environment = {"Config": {"Env": [f"LD_PRELOAD={FAKETIME_LIBRARY}"]}}
    server = mock.Mock(attrs=environment, status=status)
    lease = SimpleNamespace(take=lambda: "true")
    made = SimpleNamespace(id=4, server=server, lease=lease, run=lambda c: str(ran.append(c) or 0))
    return cast(Pod, made), ran


@pytest.fixture(autouse=True)
def _no_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "execute", mock.Mock(side_effect=NOT_RUNNING))
    monkeypatch.setattr(clock, "SEEN_WITHIN_S", 0.0)


@pytest.mark.parametrize("status", ["exited", "paused"])
def test_a_clock_is_set_right_though_its_server_is_down(status: str) -> None:
    """A kill or a pause that meets a clock fault does not keep it from being healed."""
    node, ran = pod(status)
    assert clock.set_offset(node, 0.0) == {"node": 4, "offset_s": None}
    assert "echo '+0'" in ran[0][-1]


def test_a_clock_that_nobody_saw_move_did_not_bite() -> None:
    """What cannot be observed is never called installed."""
    node, _ = pod("exited")
    jumped: Any = {"wanted_s": 60.0, "clocks": [clock.set_offset(node, 60.0)]}
    strobed: Any = {"clocks": [clock.strobe(node, 60.0, 0.0)]}
    assert not Clock(offset_s=60.0).bit(jumped)
    assert not ClockStrobe(offset_s=60.0).bit(strobed)


def test_a_server_that_runs_and_cannot_be_asked_is_an_error() -> None:
    """Only a server that is down or paused excuses it."""
    node, _ = pod("running")
    with pytest.raises(ClusterError, match="409"):
        clock.set_offset(node, 0.0)
