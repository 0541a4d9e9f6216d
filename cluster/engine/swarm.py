"""A swarm of the hosts: Docker's own network over several engines needs one.

Either the hosts are in none, and join one for as long as the quorum stands; or they are in the
user's, which is left as it is but for the quorum's network. A volume on each host, created before
the host joins, says that it joined for a run: so `clean` leaves no swarm but ours.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.swarm import Swarm
from docker.models.volumes import Volume

from cluster.cluster_errors import ClusterError
from cluster.engine import docker_endpoint as endpoint
from cluster.engine import labels, reach
from cluster.engine.hosts import Host

PORT = 2377
# For networks of tests (RFC 2544): Docker's own choice, 10.0.0.0/8, may be the hosts' network.
POOL = "198.18.0.0/15"
PART = "swarm"
_BRIDGE = "docker_gwbridge"  # made by an engine that joins, and never removed by it
_HAD_BRIDGE = "zkmq.had-bridge"
_DISCARD = 9


def form(hosts: Sequence[Host], run: str, tags: Mapping[str, str]) -> Host:
    """Put hosts that are in no swarm into a new one for this run; return its manager.

    Raises:
        ClusterError: one is in a swarm already, or cannot join; what joined, `leave` takes out.
    """
    for host in hosts:
        _require_none(host)
    addresses = _addresses(hosts)
    manager, *workers = hosts
    with _joining(manager, run, tags) as its:
        address = addresses[manager.name]
        its.init(address, _with_port(address), default_addr_pool=[POOL])
    its.reload()
    for host in workers:
        with _joining(host, run, tags) as ours:
            theirs = addresses[host.name]
            token = its.attrs["JoinTokens"]["Worker"]
            ours.join([_with_port(address)], token, _with_port(theirs), theirs)
    return manager


def existing(hosts: Sequence[Host]) -> Host:
    """Return a manager among hosts that are in one swarm already.

    Raises:
        ClusterError: they are not, or none of them manages it.
    """
    states = {host.name: _state(host.client) for host in hosts}
    for name, state in states.items():
        if state["LocalNodeState"] != "active":
            raise ClusterError(
                f"Docker engine {name}: expected it in a swarm, since the scenario says `swarm: "
                f"use-existing`, got {state['LocalNodeState']}"
            )
    told = ", ".join(states)
    manager = next((host for host in hosts if states[host.name].get("ControlAvailable")), None)
    if manager is None:
        raise ClusterError(
            f"Docker engines {told}: expected one that manages their swarm, got "
            f"workers only; `docker node promote` makes one of them a manager"
        )
    members = {node.id for node in manager.client.nodes.list()}
    for name, state in states.items():
        if state["NodeID"] not in members:
            raise ClusterError(
                f"Docker engine {name}: expected it in the swarm of {manager.name}, got another"
            )
    if len({state["NodeID"] for state in states.values()}) < len(states):
        raise ClusterError(f"Docker engines: expected different ones, got one twice: {told}")
    return manager


def leave(client: docker.DockerClient, run: str, *, last: bool = False) -> None:
    """Take an engine out of the swarm that it joined for a run; a manager only if `last`.

    A worker says goodbye to the manager, and waits 5 s for its answer if that is gone.

    Raises:
        DockerException: the engine refused.
    """
    for mark in _marks(client, run):
        state = _state(client)
        if state.get("ControlAvailable") and not last:
            continue
        if state["LocalNodeState"] != "inactive":
            client.swarm.leave(force=True)
        if (mark.attrs["Labels"] or {}).get(_HAD_BRIDGE) != "1":
            _remove_bridge(client)
        mark.remove()


def is_mark(volume: Volume) -> bool:
    """Tell whether a volume says that its engine joined a swarm for a run."""
    return (volume.attrs.get("Labels") or {}).get(labels.PART) == PART


def manages(client: docker.DockerClient) -> bool:
    """Tell whether an engine can remove the network of a swarm."""
    return bool(_state(client).get("ControlAvailable"))


def _marks(client: docker.DockerClient, run: str | None = None) -> list[Volume]:
    ours = [f"{labels.PART}={PART}"] + ([] if run is None else [f"{labels.RUN}={run}"])
    return client.volumes.list(filters={"label": ours})


def _state(client: docker.DockerClient) -> Mapping[str, Any]:
    told: Mapping[str, Any] = client.info()["Swarm"]
    return told


def _require_none(host: Host) -> None:
    state = _state(host.client)["LocalNodeState"]
    if state == "inactive":
        return
    ours = [str(mark.attrs["Labels"][labels.RUN]) for mark in _marks(host.client)]
    raise ClusterError(
        f"Docker engine {host.name}: expected it in no swarm, got {state}; "
        + (
            f"it joined that for run {ours[0]}: wait for its end, or `harness clean` if it is dead"
            if ours
            else "`cluster: {swarm: use-existing}` gives leave to make the quorum's network in it"
        )
    )


def _addresses(hosts: Sequence[Host]) -> dict[str, str]:
    """Return the address at which the other hosts reach each, by name."""
    found = {host.name: reach.address_of(endpoint.find(host.name).host) for host in hosts}
    far = [address for address in found.values() if address != reach.LOOPBACK]
    for name, address in found.items():
        if address != reach.LOOPBACK:
            continue
        if not far:
            raise ClusterError(
                f"Docker engine {name}: expected the address of a machine that the other engines "
                f"reach, got a socket of this one; name it by tcp:// or ssh://, or make the swarm "
                f"yourself and say `swarm: use-existing`"
            )
        found[name] = _own_address(far[0])
    return found


def _own_address(towards: str) -> str:
    """Return the address of this machine that one of those on the way to another has."""
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as asked:
        asked.connect((towards, _DISCARD))  # sends nothing
        return str(asked.getsockname()[0])


def _with_port(address: str) -> str:
    return f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"


@contextmanager
def _joining(host: Host, run: str, tags: Mapping[str, str]) -> Iterator[Swarm]:
    """Mark a host as one that joins, and lend what it is asked by."""
    client = host.client
    if _marks(client, run):
        raise ClusterError(f"Docker engine {host.name}: expected another one, got the same again")
    had = any(network.name == _BRIDGE for network in client.networks.list(names=[_BRIDGE]))
    mine = {**tags, labels.PART: PART, _HAD_BRIDGE: "1" if had else "0"}
    mark = client.volumes.create(f"zkmq-{run}-{PART}", labels=mine)
    try:
        yield client.swarm
    except APIError as error:
        if "already part of a swarm" in str(error):  # of somebody else's, since we looked
            mark.remove()
        raise ClusterError(f"Docker engine {host.name}: swarm: {error.explanation}") from error


def _remove_bridge(client: docker.DockerClient) -> None:
    try:
        client.networks.get(_BRIDGE).remove()
    except NotFound:
        pass  # the engine had not made it yet
    except DockerException as error:
        if "has active endpoints" not in str(error):
            raise
