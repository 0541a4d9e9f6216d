"""Voters: removed from the ensemble and added again, by reconfiguration.

Source: ZooKeeper Dynamic Reconfiguration. The client is ZooKeeper's own, run in the container of
a server that serves, so it talks to that server on the same machine.
"""

import re
from itertools import chain, repeat

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
_LOST = "ConnectionLoss"  # the outcome is unknown: a leader that is taken out hangs up on all
TOLD_WITHIN_S = 60.0  # each look starts a JVM: a moment, or ten seconds where others work
POLL_S = 0.2
_MEMBER = re.compile(r"^server\.(\d+)=\S+?(:participant)?;", re.MULTILINE)


def remove(via: Pod, node: int) -> Evidence:
    """Take a member out; return the voters left.

    If the answer is lost, the ensemble's own configuration says whether it took effect.
    """
    return {"node": node, "voters": _reconfigure(via, "-remove", str(node))}


def add(via: Pod, node: int, address: str, role: Role = "participant") -> Evidence:
    """Give a server that role, if it does not have it yet; return the voters."""
    return {"node": node, "voters": _reconfigure(via, "-add", server_line(node, address, role))}


def voters(told: str) -> list[int]:
    """Return the ids of the participants in a configuration's text."""
    return sorted(int(found[1]) for found in _MEMBER.finditer(told) if found[2])


def _reconfigure(via: Pod, *words: str) -> list[int]:
    requests = chain([("reconfig", *words)], repeat(("config",)))
    status, told = wait_until(
        lambda: _ask(via, *next(requests)),
        lambda answer: not _is_lost(*answer),
        within_s=TOLD_WITHIN_S,
        every_s=POLL_S,
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


def _is_lost(status: int, told: str) -> bool:
    """Tell whether the connection was lost, or a busy engine lost the output (see Sandbox.ask)."""
    return _LOST in told if status else not told.strip()


def _ask(via: Pod, *words: str) -> tuple[int, str]:
    classpath = server_image.label(via.server.labels, server_image.CLASSPATH)
    command = ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", classpath, _MAIN]
    command += ["-server", f"127.0.0.1:{CLIENT_PORT}", *words]
    return execute(via.server, command, {"LD_PRELOAD": ""})
