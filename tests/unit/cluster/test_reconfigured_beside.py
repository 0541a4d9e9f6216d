"""Which server is asked to reconfigure another one."""

from typing import cast

import docker
import pytest

from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.quorum import DockerQuorum
from harness.common.server_states import NodeStatus


def test_servers_that_are_busy_for_a_moment_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first looks nobody leads, or nobody but the one in question answers in time."""
    client = cast(docker.DockerClient, None)
    pods = {id: Pod(client, Sandbox(id=id, run="r", tags={})) for id in (1, 2, 3)}
    looks = iter(
        [
            ("leader", "silent", "silent"),
            ("silent", "follower", "silent"),
            ("leader", "silent", "follower"),
        ]
    )

    def statuses(_: DockerQuorum) -> list[NodeStatus]:
        return [NodeStatus(node=node, mode=mode) for node, mode in enumerate(next(looks), 1)]

    monkeypatch.setattr(DockerQuorum, "statuses", statuses)
    assert DockerQuorum([], "r", pods, timings={})._serving_beside(1) is pods[3]
