"""A server brought to a state: what the engine tells of it, however late."""

from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest
from docker.models.containers import Container

from cluster.cluster_errors import ClusterError
from cluster.pods import server_container
from cluster.pods.sandbox import Sandbox
from cluster.pods.server_container import ServerContainer
from harness.common.server_states import LOG_CUT

EXITED = {"Status": "exited", "StartedAt": "at 1", "ExitCode": 137}


def server(*told: dict[str, Any]) -> ServerContainer:
    """Return a server that ended, of which the engine tells these states, the last for ever."""
    states = list(told)
    container = SimpleNamespace(name="server-1", attrs={"State": EXITED})

    def reload() -> None:
        container.attrs = {"State": states.pop(0) if len(states) > 1 else states[0]}

    container.reload = reload
    made = ServerContainer(cast(docker.DockerClient, None), Sandbox(id=1, run="r", tags={}))
    made.attach(cast(Container, container))
    return made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_container, "STATE_TIMEOUT_S", 0)
    monkeypatch.setattr(server_container, "POLL_S", 0.0)


def test_a_server_that_ends_at_once_was_started() -> None:
    """With a damaged file it runs for a moment, in which a busy engine may tell nothing."""
    ended = EXITED | {"StartedAt": "at 2", "ExitCode": 1}
    seen = server(ended).bring("running", lambda: None, "start")
    assert (seen["state"], seen["started_at"]) == ("exited", "at 2")


def test_a_log_whose_beginning_may_be_gone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine keeps the newest files of a server that writes without end."""
    monkeypatch.setattr(server_container, "LOG_FILE_MB", 1)
    line = b"java.io.IOException: Unsupported Txn\n"
    few, many = (line * (share * (1 << 20) // (len(line) + 65) // 100) for share in (90, 110))
    written = iter([few, many])
    made = server(EXITED)
    made.container.logs = lambda **_: next(written)  # type: ignore[method-assign]
    assert made.log() == few
    assert made.log() == LOG_CUT + many


def test_a_server_that_was_never_started_is_no_start() -> None:
    """What the engine tells of the time before is not taken for an end since."""
    with pytest.raises(ClusterError, match="node 1: expected running within 0 s, got exited"):
        server(EXITED).bring("running", lambda: None, "start")


def test_a_server_is_waited_for_until_the_engine_tells_its_state() -> None:
    """A kill has its exit status, and a start its time."""
    running = {"Status": "running", "StartedAt": "at 2", "ExitCode": 0}
    assert server(running).bring("running", lambda: None, "start")["state"] == "running"
    killed = server(EXITED).bring("exited", lambda: None, "kill")
    assert (killed["state"], killed["exit_code"]) == ("exited", 137)
