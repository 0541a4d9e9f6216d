"""The parts of an ensemble in the engine: a network, a sandbox for each node, a server in each."""

import time
from collections.abc import Mapping
from pathlib import Path

import docker

from cluster.config import environment, files
from cluster.engine import labels, networks, reach
from cluster.engine.each import each
from cluster.pods import failpoint_agent, faketime, kept_disks, shimmed_disk
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.software import quorum_keys
from cluster.software.building import Say
from cluster.software.server_image import ServerImage
from harness.common.quorum_config import QuorumConfig


def create(
    client: docker.DockerClient,
    config: QuorumConfig,
    run: str,
    server_image: ServerImage,
    sandbox_image: str,
    *,
    by_hand: bool,
    say: Say,
) -> tuple[dict[int, Pod], dict[str, float]]:
    """Create a network, and pods whose servers are started; return how long each part took."""
    began = time.monotonic()
    tags = labels.of_run(run, labels.Owner.me(), by_hand=by_hand)
    way = reach.find(client)
    bridge = networks.create(client, f"zkmq-{run}", tags)
    if way.joins is not None:
        bridge.connect(way.joins)
    sandboxes = [Sandbox(id=id, run=run, tags=tags) for id in config.each]

    def create_one(sandbox: Sandbox) -> None:
        port = None if config.port is None else config.port + sandbox.id - 1
        sandbox.create(
            client,
            sandbox_image,
            bridge,
            publish=way.publish,
            port=port,
            data_mb=config.data_mb,
            for_nemesis=config.disk_shim or config.failpoints,
        )

    each(sandboxes, create_one)
    pods = {sandbox.id: Pod(client, sandbox) for sandbox in sandboxes}
    sandboxes_up = time.monotonic()
    boot(client, pods, config, server_image, say)
    servers_up = time.monotonic()
    return pods, {"sandboxes": sandboxes_up - began, "servers": servers_up - sandboxes_up}


def boot(
    client: docker.DockerClient,
    pods: Mapping[int, Pod],
    config: QuorumConfig,
    server_image: ServerImage,
    say: Say,
) -> None:
    """Create the servers in sandboxes that have none, and start them."""
    sandboxes = [pod.sandbox for pod in pods.values()]
    if config.disk_shim and not shimmed_disk.install(client, sandboxes, server_image.id, say):
        config = config.model_copy(update={"disk_shim": False})
    if config.failpoints and not failpoint_agent.install(client, sandboxes, server_image, say):
        config = config.model_copy(update={"failpoints": False})
    addresses = {id: pod.sandbox.ip for id, pod in pods.items()}
    tags = sandboxes[0].tags
    keys = quorum_keys.made(client, server_image.id, tags) if config.quorum_tls else {}

    def boot_one(pod: Pod) -> None:
        if config.faketime:
            faketime.install(pod.sandbox)
        node = config.each[pod.id]
        text = files(config, addresses, node) | keys
        pod.create_server(server_image.id, text, environment(config, node))
        if config.disks is not None:
            kept_disks.put_back(pod.server, Path(config.disks), pod.id)
        pod.start()

    each(pods.values(), boot_one)
