"""The way to a node's port: it follows from where the engine is."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound

from cluster.cluster_errors import EngineError
from cluster.engine import reach

OWN = "ab" * 32
INSIDE = f"36 35 254:1 /docker/containers/{OWN}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"


def engine(**containers: str) -> Any:
    """Return an engine with these containers: id, and the mode of its network."""

    def get(id: str) -> Any:
        if id not in containers:
            raise NotFound("no such container")
        return SimpleNamespace(id=id, attrs={"HostConfig": {"NetworkMode": containers[id]}})

    return SimpleNamespace(containers=SimpleNamespace(get=get))


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Give a function that sets what /proc/self/mountinfo says."""

    def told(text: str) -> None:
        path = tmp_path / "mountinfo"
        path.write_text(text)
        monkeypatch.setattr(reach, "_MOUNTS", path)

    told("1 0 254:1 / / rw - ext4 /dev/vda rw\n")
    return told


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("unix:///run/docker.sock", "127.0.0.1"),
        ("tcp://127.0.0.1:2375", "127.0.0.1"),
        ("tcp://localhost:2375", "127.0.0.1"),
        ("tcp://[::1]:2375", "127.0.0.1"),
        ("tcp://192.0.2.7:2375", "192.0.2.7"),
        ("tcp://[2001:db8::7]:2375", "2001:db8::7"),
    ],
)
def test_ports_are_published_where_the_engine_is(
    host: str, address: str, mounts: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine at loopback only; on another one at the address that names it, no other."""
    monkeypatch.setenv("DOCKER_HOST", host)
    assert reach.find(engine()) == reach.Reach(publish=address)


def test_a_machine_without_an_address_is_an_error(
    mounts: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means no machine is told."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://no-such-machine.invalid:2375")
    with pytest.raises(EngineError, match=r"no address of no-such-machine\.invalid"):
        reach.find(engine())


def test_what_the_engine_mounts_for_a_container_is_not_our_own(
    mounts: Callable[[str], None],
) -> None:
    """On the engine's machine, the folder of a container that shares its memory is a mount."""
    mounts(f"41 29 0:52 / /docker/containers/{OWN}/mounts/shm rw - tmpfs shm rw\n")
    assert reach.find(engine(**{OWN: "bridge"})).publish == "127.0.0.1"


def test_a_container_of_the_engine_joins_the_network(mounts: Callable[[str], None]) -> None:
    """Inside a container of the engine nothing is published: it joins the quorum's network."""
    mounts(INSIDE)
    found = reach.find(engine(**{OWN: "bridge"}))
    assert (found.publish, found.joins and found.joins.id) == (None, OWN)


@pytest.mark.parametrize("containers", [{OWN: "host"}, {}], ids=["host-network", "another-engines"])
def test_other_containers_use_published_ports(
    containers: dict[str, str], mounts: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container on the machine's own network, or of another engine, is like the machine."""
    mounts(INSIDE)
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    assert reach.find(engine(**containers)) == reach.Reach(publish="127.0.0.1")
