"""Two Docker hosts, which the tests of this folder share."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from cluster.engine import engine
from cluster.engine.hosts import Host
from cluster.software import image
from harness.common.settings.quorum_config import QuorumConfig
from worlds import docker_hosts
from worlds.docker_hosts import DockerHost


@pytest.fixture(scope="package")
def hosts() -> Iterator[list[DockerHost]]:
    """Two hosts whose engines have no image yet."""
    with docker_hosts.started(2) as found:
        yield found


@pytest.fixture(scope="package")
def loaded(hosts: list[DockerHost]) -> list[DockerHost]:
    """The same, with the images of a pod on the first one."""
    with closing(engine.connect()) as client:
        names = [image.server(client, QuorumConfig(), print).name, image.sandbox_name()]
    hosts[0].load(names)
    return hosts


@pytest.fixture
def machines(hosts: list[DockerHost]) -> Iterator[list[Host]]:
    """The hosts as the cluster sees them; afterwards they are as new."""
    with ExitStack() as closed:
        yield [Host(host.url, closed.enter_context(closing(host.client()))) for host in hosts]
        for host in hosts:
            with closing(host.client()) as client:
                if client.info()["Swarm"]["LocalNodeState"] != "inactive":
                    client.swarm.leave(force=True)
                for bridge in client.networks.list(names=["docker_gwbridge"]):
                    bridge.remove()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what runs note in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
