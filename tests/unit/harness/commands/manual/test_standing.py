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
