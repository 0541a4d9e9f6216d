"""A node's server under the failpoint agent: rules that stop it between two lines of its code.

The agent comes from the sandbox's image (cluster/failpoints), by the volume that sandbox and server
share. It reads a file for each rule, and appends to a journal what the rules did.
"""

import secrets
from collections.abc import Iterable, Sequence

import docker
from docker.errors import DockerException

from cluster.cluster_errors import ClusterError
from cluster.config import AGENT_STATE
from cluster.engine import containers, labels
from cluster.engine.containers import UID
from cluster.engine.each import each
from cluster.pods.sandbox import Sandbox
from cluster.software.building import Say
from cluster.software.server_image import ServerImage
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.common.settings.failpoint_list import FAILPOINTS, RELEASES
from harness.target import Evidence
from harness.target.disturbances import FailpointRule

IN_FORCE_WITHIN_S = 30.0  # a server that starts reads its rules before anything else
POLL_S = 0.05
HALT_STATUS = 86  # of a server that a rule ended: no other end has it
_POINTS, _RULES, _JOURNAL = (f"{AGENT_STATE}/{name}" for name in ("points", "rules", "journal"))
_JAR = f"{AGENT_STATE}/failpoints.jar"
_CHECKED = "checked"  # the last line of a check that came to its end


def install(
    client: docker.DockerClient, sandboxes: Sequence[Sandbox], image: ServerImage, say: Say
) -> bool:
    """Put the agent and the list of the image's points on the volumes, before servers start.

    Return whether servers of that image can load it; `say` tells why not.

    Raises:
        ClusterError: a release of ours lacks a point that `failpoint_list` says it has.
    """
    # umask: the server, another user, appends to the journal.
    copy = f"umask 0 && mkdir -p {_RULES} && cp /usr/lib/failpoints.jar {_JAR}"
    each(sandboxes, lambda sandbox: sandbox.run(["sh", "-c", copy]))
    _list(sandboxes, FAILPOINTS)
    try:
        found = points_of(client, image, sandboxes[0])
    except UnsupportedError as error:
        say(f"the failpoint agent is left out, and its faults will be skipped: {error}")
        return False
    _require_as_listed(image.release, found)
    _list(sandboxes, found)
    return True


def points_of(client: docker.DockerClient, image: ServerImage, sandbox: Sandbox) -> list[str]:
    """Return the names of those known points that the classes of a server image have.

    Raises:
        UnsupportedError: its Java cannot run the agent.
    """
    folder = image.classpath.removesuffix("/*")
    try:
        told = containers.output_of(
            client,
            image.id,
            ["-cp", _JAR, "failpoints.Check", _POINTS, folder],
            entrypoint="java",
            volumes_from=[str(sandbox.container.id)],
            labels={**sandbox.tags, labels.PART: "probe"},
            network_mode="none",
            user=f"{UID}:{UID}",
        )
    except DockerException as error:
        raise UnsupportedError(f"in image {image.name} it cannot be run: {error}") from error
    *found, last = told.decode().split() or [""]
    if last != _CHECKED:
        raise UnsupportedError(f"in image {image.name} it printed {told!r}")
    return found


def set_rule(sandbox: Sandbox, name: str, rule: FailpointRule, *, running: bool) -> Evidence:
    """Put a rule in force under the sandbox's lease; wait for the server, if one is running.

    Raises:
        UnsupportedError: the server has no such point, or a rule of that name is in force.
        ClusterError: the server did not confirm it in time.
    """
    if not _answer(sandbox, f"grep -q ' {rule.point}$' {_POINTS} && echo there"):
        raise UnsupportedError(f"node {sandbox.id}: its ZooKeeper has no point {rule.point}")
    path = f"{_RULES}/{name}"
    # Written elsewhere and moved in: the agent must not read half of it.
    new = f"{AGENT_STATE}/{name}.new"
    token = secrets.token_hex(4)
    text = f"{token} {rule.point} {rule.effect} {rule.nth} {_rest(rule)}"
    put = f"echo '{text}' > '{new}' && mv '{new}' '{path}'"
    # The script may be run again if its answer was lost, and then finds its own rule.
    other = f"[ -e '{path}' ] && ! grep -q '^{token} ' '{path}'"
    script = f"if {other}; then echo taken; else {sandbox.lease.take()} && {put} && echo put; fi"
    if _answer(sandbox, script) == ["taken"]:
        raise UnsupportedError(f"node {sandbox.id}: {rule.point} has a rule of another fault")
    if not running:
        return hits(sandbox, name)
    return wait_until(
        lambda: hits(sandbox, name),
        lambda seen: seen["in_force"],
        within_s=IN_FORCE_WITHIN_S,
        every_s=POLL_S,
        late=lambda _: ClusterError(
            f"node {sandbox.id}: expected the rule {name} in force within {IN_FORCE_WITHIN_S:g} s, "
            f"got no word of it in {_JOURNAL}"
        ),
    )


def hits(sandbox: Sandbox, name: str) -> Evidence:
    """Return what the rule of that name has counted and struck; see `harness.target.Node`."""
    read = f"read -r token _ < '{_RULES}/{name}' && grep \"^$token\" {_JOURNAL}"
    lines = [line.split("\t") for line in _answer(sandbox, f"({read}) 2>/dev/null")]
    return {"node": sandbox.id, **_told([line for line in lines if len(line) == _FIELDS])}


def clear_rule(sandbox: Sandbox, name: str) -> Evidence:
    """Take the rule of that name off, and return what it did.

    Raises:
        ClusterError: a lease was not renewed, so it may have ended by itself.
    """
    seen = hits(sandbox, name)
    sandbox.run(["rm", "-f", f"{_RULES}/{name}"])
    sandbox.lease.check()
    return seen


_FIELDS = 5  # of a line of the journal: token, what, number, at_ms, thread


def _told(lines: Iterable[Sequence[str]]) -> Evidence:
    seen: Evidence = {"in_force": False, "counted": 0, "struck": 0}
    for _, what, number, at_ms, thread in lines:
        if what == "in-force":
            seen["in_force"] = True
            continue
        seen["counted"] = max(seen["counted"], int(number))
        if what == "went-on":
            if (first := seen.get("first", {})).get("number") == int(number):
                first["held_ms"] = int(at_ms) - first["at_ms"]
        elif what != "passed":
            seen["struck"] += 1
            seen.setdefault("first", {"number": int(number), "at_ms": int(at_ms), "thread": thread})
    return seen


def _answer(sandbox: Sandbox, command: str) -> list[str]:
    """Return the lines that a command prints, perhaps none."""
    told = sandbox.ask(["sh", "-c", f"{command}; echo {_CHECKED}"], "failpoints")
    return [line for line in told.splitlines() if line != _CHECKED]


def _rest(rule: FailpointRule) -> str:
    argument: str | int = rule.most_ms or 0
    if rule.effect == "throw":
        argument = rule.error
    elif rule.effect == "halt":
        argument = HALT_STATUS
    return f"{rule.times or 0} {argument}"


def _list(sandboxes: Sequence[Sandbox], names: Iterable[str]) -> None:
    """Write the list of points that the agents look for."""
    lines = "\n".join(FAILPOINTS[name].line for name in names)
    each(sandboxes, lambda sandbox: sandbox.run(["sh", "-c", f"echo '{lines}' > {_POINTS}"]))


def _require_as_listed(release: str, found: Sequence[str]) -> None:
    listed = {point.name for point in FAILPOINTS.values() if release in point.releases}
    if release in RELEASES and (other := listed.symmetric_difference(found)):
        raise ClusterError(
            f"failpoints: ZooKeeper {release}: expected the points that failpoint_list names, "
            f"got a difference in {', '.join(sorted(other))}"
        )
