"""A container that somebody outside of the run removed, and an engine that stops answering."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from cluster import lending
from cluster.cluster_errors import ClusterError, ContainerGoneError, EngineGoneError
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.quorum import DockerQuorum
from harness.common.harness_errors import UnsupportedError
from harness.common.settings.quorum_config import QuorumConfig

GONE = NotFound("No such container: c")
Raises = Callable[..., Any]


class FakeContainer:
    """A container of whose engine every request fails in one way; None: it is there."""

    def __init__(self, name: str, failure: Exception | None) -> None:
        self.name, self.failure, self.reloads = name, failure, 0
        self.attrs = {"State": {"Status": "exited"}}
        self.client = SimpleNamespace(info=lambda: {"CgroupDriver": "cgroupfs"})

    def reload(self) -> None:
        self.reloads += 1
        if self.failure is not None:
            raise self.failure

    def logs(self, **_: Any) -> bytes:
        self.reload()
        return b"log\n"

    def kill(self, **_: Any) -> None:
        raise APIError(f"409 Conflict: container {self.name} is not running")

    pause = kill


@pytest.fixture
def refused() -> Iterator[int]:
    """Return a port that refuses every connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def pod(port: int, server: FakeContainer, sandbox: FakeContainer | None = None) -> Pod:
    """Return a node of these containers whose server does not answer at that port."""
    box = Sandbox(id=3, run="r", tags={})
    box._container = cast(Container, sandbox or FakeContainer("sandbox-3", None))
    box._address = ("127.0.0.1", port)
    made = Pod(cast(docker.DockerClient, None), box)
    made._server.attach(cast(Container, server))
    return made


@pytest.mark.parametrize("part", ["server", "sandbox"])
def test_a_container_removed_from_outside_is_told(part: str, refused: int) -> None:
    """It is no server that is down: nothing of this run's may remove it."""
    there, gone = FakeContainer("there", None), FakeContainer(f"{part}-3", GONE)
    node = pod(refused, gone, there) if part == "server" else pod(refused, there, gone)
    with pytest.raises(ContainerGoneError, match=f"node 3: expected its container {part}-3"):
        node.status()


@pytest.mark.parametrize("asked", ["address", "ip"])
def test_a_sandbox_removed_before_its_address_is_known_is_told(asked: str) -> None:
    """`harness status` shows every quorum, also one that another process removes just now."""
    box = Sandbox(id=3, run="r", tags={})
    box._container = cast(Container, FakeContainer("sandbox-3", GONE))
    with pytest.raises(ContainerGoneError, match="node 3: expected its container sandbox-3"):
        getattr(box, asked)


def test_an_engine_that_is_gone_is_told(refused: int) -> None:
    """A look at a server that does not answer asks the engine, which does not either."""
    gone = EngineGoneError("Docker engine: expected an answer, got none")
    with pytest.raises(EngineGoneError):
        pod(refused, FakeContainer("server-3", gone)).status()


@pytest.mark.parametrize("act", [Pod.kill, Pod.stop, Pod.pause])
def test_a_server_that_has_ended_can_be_neither_killed_nor_frozen(
    act: Callable[[Pod], object], refused: int
) -> None:
    """It ended between the look at it and the request: that is no error of the engine."""
    server = FakeContainer("server-3", None)
    with pytest.raises(UnsupportedError, match=r"node 3: \w+: expected a server that runs, got "):
        act(pod(refused, server))
    server.attrs = {"State": {"Status": "running"}}
    with pytest.raises(ClusterError, match=r"node 3: \w+: 409 Conflict"):
        act(pod(refused, server))


def test_a_server_that_is_down_costs_the_engine_a_request_a_second(refused: int) -> None:
    """Whoever waits for a server looks at it much more often."""
    server = FakeContainer("server-3", None)
    node = pod(refused, server)
    assert {node.status().mode for _ in range(20)} == {"down"}
    assert server.reloads == 1


def test_a_server_that_is_being_replaced_is_not_missed(refused: int) -> None:
    """Between the old and the new container of an upgrade there is none, by our own doing."""
    server = FakeContainer("server-3", GONE)
    node = pod(refused, server)

    def reload() -> None:
        node._server.attach(None)  # removed by another thread, between the look and the answer
        raise GONE

    server.reload = reload  # type: ignore[method-assign]
    assert node.status().mode == "down"


def test_a_log_that_cannot_be_read_is_an_error_of_ours(refused: int) -> None:
    """Nothing of docker's own gets to the harness."""
    with pytest.raises(ContainerGoneError):
        pod(refused, FakeContainer("server-3", GONE)).log()
    with pytest.raises(ClusterError, match="node 3: reset by peer"):
        pod(refused, FakeContainer("server-3", ConnectionResetError("reset by peer"))).log()
    assert pod(refused, FakeContainer("server-3", None)).log() == b"log\n"


class FailingQuorum(SimpleNamespace):
    """A quorum that cannot be removed."""

    run = "r"

    def down(self) -> None:
        raise EngineGoneError("Docker engine: gone")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every quorum that is started be one that cannot be removed."""
    up = cast(DockerQuorum, FailingQuorum())
    monkeypatch.setattr(lending.starting, "up", lambda *_, **__: up)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ClusterError("node 3: no"), "node 3: no"),
        (NotFound("No such container: c"), "quorum r: the Docker engine says: .*No such"),
    ],
)
def test_what_a_run_failed_of_is_not_hidden_by_what_its_end_fails_of(
    raised: Exception, told: str
) -> None:
    """The first failure is raised, as one of ours; the second is said."""
    said: list[str] = []
    with (
        pytest.raises(ClusterError, match=told),
        lending.started(QuorumConfig(), by_hand=False, say=said.append),
    ):
        raise raised
    assert "quorum r could not be removed" in said[0]
    assert "`harness clean`" in said[0]


@pytest.mark.usefixtures("failing")
def test_a_quorum_that_cannot_be_removed_takes_no_verdict_away() -> None:
    """What a run that went well leaves behind is said, and the run counts."""
    said: list[str] = []
    with lending.started(QuorumConfig(), by_hand=False, say=said.append):
        pass
    assert said == [
        "quorum r could not be removed: Docker engine: gone; `harness clean` removes it later"
    ]


@pytest.mark.usefixtures("failing")
def test_a_kept_quorum_that_cannot_be_removed_takes_no_verdict_away() -> None:
    """What is left after many runs is said, and they count."""
    said: list[str] = []
    with closing(lending.Kept(said.append)) as kept, kept.lend(QuorumConfig()):
        pass
    assert "quorum r could not be removed: Docker engine: gone" in said[0]
