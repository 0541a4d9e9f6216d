"""A quorum's network: created, also where the engine's own pools of addresses are used up.

On one host it is a bridge; over several, an overlay of their swarm.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from cluster.cluster_errors import ClusterError

# For networks of tests (RFC 2544), so that no real one is likely to have these addresses.
_FIRST, _SECOND = 198, (18, 19)
TRIES = 8
_POOLS_USED_UP = ("non-overlapping", "predefined address pools", "fully subnetted")


def create(client: docker.DockerClient, name: str, labels: Mapping[str, str]) -> Network:
    """Create a bridge network; with a small subnet of its own if the engine has none left.

    Raises:
        ClusterError: that did not work either.
    """
    try:
        return client.networks.create(name, driver="bridge", labels=dict(labels))
    except APIError as error:
        if not any(words in str(error) for words in _POOLS_USED_UP):
            raise
        return _with_own_subnet(client, name, labels, error)


def create_overlay(client: docker.DockerClient, name: str, labels: Mapping[str, str]) -> Network:
    """Create a network over all hosts of a swarm, by a manager of it.

    Raises:
        ClusterError: it has no free addresses.
    """
    try:
        return client.networks.create(
            name, driver="overlay", attachable=True, scope="swarm", labels=dict(labels)
        )
    except APIError as error:
        raise ClusterError(f"network {name}: {error.explanation}") from error


def join(container: Container, network: Network) -> None:
    """Put a container on a quorum's network; it may be on another host than who created that."""
    assert container.client is not None
    container.client.api.connect_container_to_network(str(container.id), str(network.name))


def detach_strangers(network: Network) -> None:
    """Take off containers that are not of the quorum, such as the one that this process runs in.

    One that is gone, or that another `clean` removes just now, is no error: while a container is
    left that the engine does not let go, it refuses to remove the network.
    """
    try:
        network.reload()
    except NotFound:
        return
    for id in network.attrs.get("Containers") or {}:
        with suppress(APIError):
            network.disconnect(id, force=True)


def _with_own_subnet(
    client: docker.DockerClient, name: str, labels: Mapping[str, str], cause: APIError
) -> Network:
    refusal: DockerException = cause
    for _ in range(TRIES):
        pool = IPAMPool(subnet=_subnet())
        ipam = IPAMConfig(pool_configs=[pool])
        try:
            return client.networks.create(name, driver="bridge", labels=dict(labels), ipam=ipam)
        except APIError as error:
            refusal = error
    raise ClusterError(
        f"network {name}: the engine has no free addresses, and refused {TRIES} subnets of ours "
        f"({refusal}); `docker network prune` removes networks that no container uses"
    ) from refusal


def _subnet() -> str:
    """Return one at random, with room for 13 nodes: a quorum has at most 9."""
    third, fourth = secrets.randbelow(256), secrets.randbelow(16) * 16
    return f"{_FIRST}.{secrets.choice(_SECOND)}.{third}.{fourth}/28"
