"""How clients of this process reach a node's port, wherever the engine is.

The engine publishes the port at an address of its own machine. From inside a container of that
engine no published port is sure to be reached: such a container joins the quorum's network.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from cluster.cluster_errors import EngineError
from cluster.engine import docker_endpoint as endpoint
from cluster.engine.hosts import Host

LOOPBACK = "127.0.0.1"
_MOUNTS = Path("/proc/self/mountinfo")
# A container's own /etc/hosts and the like come from the engine's folder for it. The engine's own
# machine mounts things in such folders, too.
_OWN_ID = re.compile(r"^\S+ \S+ \S+ \S*/containers/([0-9a-f]{64})/\S+ /etc/", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The way to a node's port.

    Attributes:
        publish: the address at which the engine publishes it; None: it is not published.
        joins: the container of this process, which joins the quorum's network instead.
    """

    publish: str | None = None
    joins: Container | None = None


def find(client: docker.DockerClient, name: str = "") -> Reach:
    """Return the way to the nodes of an engine; see `docker_endpoint.find` for its name.

    Raises:
        EngineError: the name of its machine has no address.
    """
    if (own := _own_container(client)) is not None:
        return Reach(joins=own)
    return Reach(publish=address_of(endpoint.find(name).host))


def of_all(hosts: Sequence[Host]) -> dict[str, Reach]:
    """Return the way to the nodes of each host, by its name.

    A container on one of them joins the network that spans them all, and so reaches every node.

    Raises:
        EngineError: the name of a machine has no address.
    """
    ways = {host.name: find(host.client, host.name) for host in hosts}
    inside = next((way for way in ways.values() if way.joins is not None), None)
    return ways if inside is None else dict.fromkeys(ways, inside)


def _own_container(client: docker.DockerClient) -> Container | None:
    """Return the container that this process runs in; None if it shares the engine's network."""
    try:
        found = _OWN_ID.search(_MOUNTS.read_text())
        own = None if found is None else client.containers.get(found[1])
    except (OSError, NotFound):
        return None  # another engine's container
    if own is None or own.attrs["HostConfig"]["NetworkMode"] == "host":
        return None
    return own


def address_of(host: str | None) -> str:
    """Return the address by which a machine is known here, IPv4 first; loopback for this one.

    Raises:
        EngineError: the name has none.
    """
    if host is None:
        return LOOPBACK
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EngineError(f"Docker engine: no address of {host}: {error.strerror}") from error
    addresses = sorted((entry[4][0] for entry in found), key=lambda address: ":" in str(address))
    first = str(addresses[0])
    return LOOPBACK if ipaddress.ip_address(first).is_loopback else first
