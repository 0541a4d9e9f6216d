"""The parts of an ensemble in the engines: a network, a sandbox for each node, a server in each."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker.models.images import Image
from docker.models.networks import Network

from cluster.config import environment, files
from cluster.engine import hosts as machines
from cluster.engine import labels, networks, reach, swarm
from cluster.engine.each import each
from cluster.engine.hosts import Host
from cluster.pods import failpoint_agent, faketime, kept_disks, shimmed_disk
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.software import quorum_keys
from cluster.software.building import Say
from cluster.software.server_image import ServerImage
from harness.common.settings.quorum_config import QuorumConfig

Images = Mapping[str, tuple[ServerImage, Image]]
"""The images of servers and of sandboxes, by the host's name."""


def create(
    hosts: Sequence[Host],
    config: QuorumConfig,
    run: str,
    images: Images,
    *,
    by_hand: bool,
    say: Say,
) -> tuple[dict[int, Pod], dict[str, float]]:
    """Create a network, and pods whose servers are started; return how long each part took."""
    began = time.monotonic()
    tags = labels.of_run(run, labels.Owner.me(), by_hand=by_hand)
    ways = reach.of_all(hosts)
    network = _network(hosts, config, run, tags)
    if (inside := ways[hosts[0].name].joins) is not None:
        networks.join(inside, network)
    placed = machines.placed(config, hosts)
    sandboxes = [
        Sandbox(id=id, run=run, tags={**tags, labels.HOST: host.name})
        for id, host in placed.items()
    ]

    def create_one(sandbox: Sandbox) -> None:
        host = placed[sandbox.id]
        sandbox.create(
            host.client,
            str(images[host.name][1].id),
            network,
            publish=ways[host.name].publish,
            port=None if config.port is None else config.port + sandbox.id - 1,
            data_mb=config.data_mb,
            for_nemesis=config.disk_shim or config.failpoints,
        )

    each(sandboxes, create_one)
    pods = {sandbox.id: Pod(placed[sandbox.id].client, sandbox) for sandbox in sandboxes}
    sandboxes_up = time.monotonic()
    boot(hosts, pods, config, images, say)
    servers_up = time.monotonic()
    return pods, {"sandboxes": sandboxes_up - began, "servers": servers_up - sandboxes_up}


def _network(
    hosts: Sequence[Host], config: QuorumConfig, run: str, tags: Mapping[str, str]
) -> Network:
    """Create a bridge on one host; an overlay over several, in a swarm of theirs."""
    name = f"zkmq-{run}"
    if len(hosts) == 1:
        return networks.create(hosts[0].client, name, tags)
    own = config.swarm == "own"
    manager = swarm.form(hosts, run, tags) if own else swarm.existing(hosts)
    return networks.create_overlay(manager.client, name, tags)


def boot(
    hosts: Sequence[Host], pods: Mapping[int, Pod], config: QuorumConfig, images: Images, say: Say
) -> None:
    """Create the servers in sandboxes that have none, and start them."""
    sandboxes = {
        host.name: [pod.sandbox for pod in pods.values() if pod.host == host.name] for host in hosts
    }

    def fit(host: Host) -> QuorumConfig:
        return _fit(host, sandboxes[host.name], config, images[host.name][0], say)

    # All servers are alike: what one host cannot load, none gets.
    fits = each(hosts, fit)
    config = config.model_copy(
        update={
            "disk_shim": all(fit.disk_shim for fit in fits),
            "failpoints": all(fit.failpoints for fit in fits),
        }
    )
    addresses = {id: pod.sandbox.ip for id, pod in pods.items()}
    keys = _keys(hosts[0], sandboxes[hosts[0].name][0], images) if config.quorum_tls else {}

    def boot_one(pod: Pod) -> None:
        if config.faketime:
            faketime.install(pod.sandbox)
        node, server_image = config.each[pod.id], images[pod.host][0]
        text = files(config, addresses, node) | keys
        pod.create_server(server_image.id, text, environment(config, node))
        if config.disks is not None:
            kept_disks.put_back(pod.server, Path(config.disks), pod.id)
        pod.start()

    each(pods.values(), boot_one)


def _keys(host: Host, sandbox: Sandbox, images: Images) -> dict[str, bytes]:
    """Make the keys of all servers, in a container of one of the hosts."""
    return quorum_keys.made(host.client, images[host.name][0].id, sandbox.tags)


def _fit(
    host: Host, sandboxes: Sequence[Sandbox], config: QuorumConfig, image: ServerImage, say: Say
) -> QuorumConfig:
    """Install what is loaded into a host's servers; return the settings without what cannot be."""
    client = host.client
    if config.disk_shim and not shimmed_disk.install(client, sandboxes, image.id, say):
        config = config.model_copy(update={"disk_shim": False})
    if config.failpoints and not failpoint_agent.install(client, sandboxes, image, say):
        config = config.model_copy(update={"failpoints": False})
    return config
