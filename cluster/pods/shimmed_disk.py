"""A node's disk under the shim: calls that fail, are late or hang, and a power cut.

The library and the tool come from the sandbox's image (cluster/disk_shim). The library needs a
glibc of 2014 or later in the server's image; `misfit` tells whether it can be loaded there.
"""

import errno
import json
from collections.abc import Sequence
from typing import Any

import docker
from docker.errors import DockerException

from cluster.cluster_errors import ClusterError
from cluster.config import SHIM, SHIM_LIBRARY, SHIM_STATE
from cluster.engine import containers, labels
from cluster.engine.containers import UID
from cluster.engine.each import each
from cluster.pods.sandbox import Sandbox
from cluster.software.building import Say
from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence
from harness.target.disturbances import DiskRule, PowerLossModel

_ROOT = SHIM["DISK_SHIM_ROOT"]
FORGET = f"if [ -f {SHIM_STATE}/control ]; then disk-nemesis reset {SHIM_STATE} {_ROOT}; fi"
"""The shell command that makes all durable that the shim has noted; the server must be down."""


def install(
    client: docker.DockerClient, sandboxes: Sequence[Sandbox], image: str, say: Say
) -> bool:
    """Put the library and its control page on the nodes' volumes, before servers are created.

    Return whether servers of that image can load it; `say` tells why not.
    """
    script = f"cp /usr/lib/libdisk_shim.so {SHIM_STATE}/ && disk-nemesis init {SHIM_STATE} {_ROOT}"
    each(sandboxes, lambda sandbox: sandbox.run(["sh", "-c", script]))
    if (why := misfit(client, image, sandboxes[0])) is not None:
        say(f"the disk shim is left out, and its faults will be skipped: {why}")
    return why is None


def misfit(client: docker.DockerClient, image: str, sandbox: Sandbox) -> str | None:
    """Return why a server image cannot load the shim, which was installed; None if it can."""
    before = calls(sandbox)["loaded"]
    try:
        containers.output_of(
            client,
            image,
            ["-version"],
            entrypoint="java",
            environment=dict(SHIM),
            volumes_from=[str(sandbox.container.id)],
            labels={**sandbox.tags, labels.PART: "probe"},
            network_mode="none",
            user=f"{UID}:{UID}",
        )
    except DockerException as error:
        return f"under {SHIM_LIBRARY} `java -version` fails in image {image}: {error}"
    if calls(sandbox)["loaded"] == before:
        return f"image {image} does not load {SHIM_LIBRARY}; its libc is another one than glibc"
    return None


def put(sandbox: Sandbox, rule: DiskRule) -> Evidence:
    """Put a rule in force, under the sandbox's lease.

    Raises:
        UnsupportedError: another rule is in force.
    """
    if calls(sandbox)["in_force"]:
        raise UnsupportedError(f"node {sandbox.id}: its disk is disturbed by another fault")
    code = getattr(errno, rule.error) if rule.effect == "error" else 0
    numbers = (code, rule.delay_ms, rule.jitter_ms, rule.keep_bytes, rule.nth, rule.times or 0)
    words = [rule.call, rule.file, rule.effect, *map(str, numbers)]
    command = f"disk-nemesis rule {SHIM_STATE} {' '.join(words)}"
    sandbox.run(["sh", "-c", f"{sandbox.lease.take()} && {command}"])
    return {"node": sandbox.id}


def calls(sandbox: Sandbox) -> Evidence:
    """Return what the shim has seen and done."""
    seen = _told(sandbox, ["disk-nemesis", "look", SHIM_STATE])
    return {"node": sandbox.id, **seen}


def mend(sandbox: Sandbox) -> Evidence:
    """Take the rule off; return what it did.

    Raises:
        ClusterError: a lease was not renewed, so it may have ended by itself.
    """
    seen = calls(sandbox)
    sandbox.run(["disk-nemesis", "mend", SHIM_STATE])
    sandbox.lease.check()
    return seen


def cut(sandbox: Sandbox, model: PowerLossModel) -> Evidence:
    """Take back what the server, which is down, had not made durable; return how much that was.

    Raises:
        ClusterError: it can't be taken back, or not all of it was.
    """
    # What it prints is kept in a file: a lost answer can't be asked for again, as with `ask`.
    told = f"{SHIM_STATE}/cut.json"
    command = f"disk-nemesis cut {SHIM_STATE} {_ROOT} {model} > {told}"
    sandbox.run(["sh", "-c", command])
    return {"node": sandbox.id, "model": model, **_told(sandbox, ["cat", told])}


def _told(sandbox: Sandbox, command: list[str]) -> dict[str, Any]:
    answer = sandbox.ask(command, command[0])
    try:
        return dict(json.loads(answer))
    except ValueError as error:
        raise ClusterError(f"node {sandbox.id}: {' '.join(command)}: {answer!r}") from error
