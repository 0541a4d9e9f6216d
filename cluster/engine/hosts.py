"""The machines that a quorum's nodes run on, each with a Docker engine of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import docker

from cluster.cluster_errors import EngineError
from cluster.engine import engine
from cluster.engine.each import each
from harness.common.settings.quorum_config import QuorumConfig


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with an engine.

    Attributes:
        name: as `engines` has it; empty for the one engine that the environment means.
        client: on its engine.
    """

    name: str
    client: docker.DockerClient


def connect(config: QuorumConfig, say: Callable[[str], None]) -> list[Host]:
    """Return the hosts of a quorum, in the order of `engines`; all of them answer.

    Raises:
        EngineError: one does not, or they cannot run the same servers.
    """
    if not config.engines:
        return [Host("", engine.ensure())]
    found = each(config.engines, lambda name: Host(name, engine.connect(name)))
    _require_alike(found, say)
    return found


def placed(config: QuorumConfig, hosts: Sequence[Host]) -> dict[int, Host]:
    """Return the host of each node, by its id."""
    return {id: hosts[config.place_of(id)] for id in config.each}


def _require_alike(hosts: Sequence[Host], say: Callable[[str], None]) -> None:
    """Require one architecture; say so if they differ in their release."""
    told = each(hosts, lambda host: host.client.info())
    machines = {
        host.name: f"{info['OSType']}/{info['Architecture']}"
        for host, info in zip(hosts, told, strict=True)
    }
    if len(set(machines.values())) > 1:
        raise EngineError(
            f"Docker engines: expected one architecture, since all get the same image, got "
            f"{_listed(machines)}"
        )
    releases = {
        host.name: str(info["ServerVersion"]) for host, info in zip(hosts, told, strict=True)
    }
    if len(set(releases.values())) > 1:
        say(f"the Docker engines differ in their release: {_listed(releases)}")


def _listed(told: dict[str, str]) -> str:
    return ", ".join(f"{what} on {name}" for name, what in told.items())
