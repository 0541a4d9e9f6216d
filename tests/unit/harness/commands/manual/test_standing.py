"""The port of the gateway that `harness up` leaves: the original's, another one, or a refusal."""

import socket
from collections.abc import Iterator

import pytest

from harness.commands.manual import standing
from harness.common.harness_errors import ScenarioError
from harness.workers.gateway import LOOPBACK


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on for as long as the test runs."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_asked_for_that_is_taken_is_refused(taken: int) -> None:
    """The refusal names the option, the port and what was expected, and is an argument error."""
    with pytest.raises(ScenarioError, match=f"--gateway-port: expected a free port.*{taken}"):
        standing.hold(taken, print)


def test_the_usual_port_taken_is_replaced_and_said(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a port asked for, a taken 9998 makes it another one, and the user is told both."""
    monkeypatch.setattr(standing, "PORT", taken)
    lines: list[str] = []
    with standing.hold(None, lines.append) as held:
        port = held.getsockname()[1]
        assert port != taken
        assert lines == [f"port {taken} is taken; the gateway gets {port}"]


def test_two_at_once_get_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second knows before its quorum is started, and not when its gateway fails."""
    lines: list[str] = []
    with socket.create_server((LOOPBACK, 0)) as found:
        usual = found.getsockname()[1]
    monkeypatch.setattr(standing, "PORT", usual)
    with standing.hold(None, lines.append) as first:
        assert (first.getsockname()[1], lines) == (usual, [])
        with pytest.raises(ScenarioError, match=f"got {usual}: Address already in use"):
            standing.hold(usual, print)
        with standing.hold(None, lines.append) as second:
            other = second.getsockname()[1]
        assert other != usual
        assert lines == [f"port {usual} is taken; the gateway gets {other}"]
    with standing.hold(usual, print) as again:
        assert again.getsockname()[1] == usual
