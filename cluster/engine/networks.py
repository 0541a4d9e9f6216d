"""A quorum's network: created, also where the engine's own pools of addresses are used up."""

import secrets
from collections.abc import Mapping

import docker
from docker.errors import APIError, DockerException, NotFound
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


def detach_strangers(network: Network) -> None:
    """Take off containers that are not of the quorum, such as the one that this process runs in."""
    try:
        network.reload()
        for id in network.attrs.get("Containers") or {}:
            network.disconnect(id, force=True)
    except NotFound:
        pass  # the network is gone, or the container


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
