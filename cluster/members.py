"""Voters: removed from the ensemble and added again, by reconfiguration.

Source: ZooKeeper Dynamic Reconfiguration. The client is ZooKeeper's own, run in the container of
a server that serves, so it talks to that server on the same machine.
"""

import re

from cluster.cluster_errors import ClusterError
from cluster.config import CLIENT_PORT, server_line
from cluster.engine.containers import execute
from cluster.pods.pod import Pod
from cluster.software import server_image
from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import Role
from harness.target import Evidence

_MAIN = "org.apache.zookeeper.ZooKeeperMain"
# A leader that is taken out hangs up on all; or an earlier request of ours is not decided yet.
_OPEN = ("ConnectionLoss", "ReconfigInProgress")
TOLD_WITHIN_S = 60.0  # each look starts a JVM: a moment, or ten seconds where others work
POLL_S = 0.2
_MEMBER = re.compile(r"^server\.(\d+)=\S+?(:participant)?;", re.MULTILINE)


def remove(via: Pod, node: int) -> Evidence:
    """Take a member out; return the voters left."""
    return {"node": node, "voters": _reconfigure(via, node, None, "-remove", str(node))}


def add(via: Pod, node: int, address: str, role: Role = "participant") -> Evidence:
    """Give a server that role, if it does not have it yet; return the voters."""
    line = server_line(node, address, role)
    return {"node": node, "voters": _reconfigure(via, node, role, "-add", line)}


def voters(told: str) -> list[int]:
    """Return the ids of the participants in a configuration's text."""
    return sorted(id for id, role in _members(told).items() if role == "participant")


def _members(told: str) -> dict[int, Role]:
    """Return the role of each member in a configuration's text."""
    return {
        int(found[1]): "participant" if found[2] else "observer" for found in _MEMBER.finditer(told)
    }


def _reconfigure(via: Pod, node: int, role: Role | None, *words: str) -> list[int]:
    """Ask for a reconfiguration after which the node has that role; return the voters.

    If the answer is lost, the ensemble's own configuration says whether it took effect. If it did
    not, it is asked for again.
    """
    is_open = False

    def look() -> tuple[int, str]:
        nonlocal is_open
        if is_open:
            answer = _ask(via, "config")
            if _is_open(*answer) or _members(answer[1]).get(node) == role:
                return answer
        answer = _ask(via, "reconfig", *words)
        is_open = _is_open(*answer)
        return answer

    status, told = wait_until(
        look, lambda answer: not _is_open(*answer), within_s=TOLD_WITHIN_S, every_s=POLL_S
    )
    if "Reconfig is disabled" in told or "not have permission" in told.lower():
        raise UnsupportedError(
            f"node {via.id}: this ensemble does not reconfigure; start it with `reconfig: true`"
        )
    if status != 0 or not voters(told):
        raise ClusterError(
            f"node {via.id}: reconfig {' '.join(words)}: exit {status}: {told[-500:]}"
        )
    return voters(told)


def _is_open(status: int, told: str) -> bool:
    """Tell whether the outcome is unknown, also where a busy engine lost it (see Sandbox.ask)."""
    return any(word in told for word in _OPEN) if status else not told.strip()


def _ask(via: Pod, *words: str) -> tuple[int, str]:
    classpath = server_image.label(via.server.labels, server_image.CLASSPATH)
    command = ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", classpath, _MAIN]
    command += ["-server", f"127.0.0.1:{CLIENT_PORT}", *words]
    ended = execute(via.server, command, {"LD_PRELOAD": ""})
    return ended.status, ended.output + ended.errors
