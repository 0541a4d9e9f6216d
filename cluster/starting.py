"""Start a quorum, or take over one that another process started."""

import secrets
import time
from collections.abc import Callable, Sequence

from docker.errors import DockerException
from docker.models.containers import Container

from cluster import ensemble
from cluster.cluster_errors import ClusterError, ContainerGoneError
from cluster.engine import hosts as machines
from cluster.engine import labels, leftovers, run_engines
from cluster.engine.hosts import Host
from cluster.pods.pod import Pod
from cluster.quorum import DockerQuorum, remove
from cluster.software import image
from cluster.software.building import Say
from harness.common.settings.quorum_config import QuorumConfig


def up(config: QuorumConfig, *, by_hand: bool = False, say: Say = lambda _: None) -> DockerQuorum:
    """Create a quorum and start its servers; does not wait until it is ready.

    On any failure, Ctrl-C included, what was created is removed again.

    Raises:
        ClusterError: the engine refused, the image cannot be had, or a port is taken.
        UnmetError: the quorum needs a release that is not to be had.
    """
    hosts = machines.connect(config, say)
    images = image.on_each(hosts, config, say)
    began = time.monotonic()
    run = secrets.token_hex(4)
    if config.engines:
        run_engines.note(run, config.engines)
    try:
        pods, timings = ensemble.create(hosts, config, run, images, by_hand=by_hand, say=say)
    except BaseException as error:
        remove_all_the_same(run, lambda: remove(hosts, run), say)
        if isinstance(error, DockerException):
            raise ClusterError(f"quorum {run}: {error}") from error
        raise
    timings["up"] = time.monotonic() - began
    return DockerQuorum(hosts, run, pods, timings=timings)


def attach(hosts: Sequence[Host], run: str) -> DockerQuorum:
    """Take over the quorum of a run that another process started (`harness up`), on these hosts.

    Raises:
        ContainerGoneError: there is none, or none any more.
    """
    pods: dict[int, Pod] = {}
    for host in hosts:
        parts: dict[int, dict[str, Container]] = {}
        for container in leftovers.containers(host.client, run):
            tags = container.labels
            if tags.keys() >= {labels.NODE, labels.PART}:
                parts.setdefault(int(tags[labels.NODE]), {})[tags[labels.PART]] = container
        if bare := sorted(id for id, found in parts.items() if "sandbox" not in found):
            told = f"got no sandbox of nodes {bare}"
            raise ContainerGoneError(f"quorum {run}: expected containers of it, {told}")
        pods |= {id: Pod.attach(host.client, found) for id, found in parts.items()}
    if not pods:
        raise ContainerGoneError(f"quorum {run}: expected containers of it, got none")
    return DockerQuorum(hosts, run, dict(sorted(pods.items())), timings={})


def remove_all_the_same(run: str, remove: Callable[[], None], say: Say) -> None:
    """Call `remove` at the end. If it fails, say so; what was before it counts."""
    try:
        remove()
    except (ClusterError, DockerException) as error:
        say(f"quorum {run} could not be removed: {error}; `harness clean` removes it later")
