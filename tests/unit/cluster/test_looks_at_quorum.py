"""What a quorum makes of looks at its servers, some of which are busy or behind the others."""

from collections.abc import Callable
from typing import cast

import docker
import pytest

from cluster.cluster_errors import ClusterError
from cluster.pods.pod import Pod
from cluster.pods.sandbox import Sandbox
from cluster.quorum import DockerQuorum
from harness.common.server_states import NodeStatus

Seen = Callable[..., DockerQuorum]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Give three servers of which these looks are had, one after the other."""

    def quorum(*looks: tuple[str, str, str], ended: int | None = None) -> DockerQuorum:
        client = cast(docker.DockerClient, None)
        pods = {id: Pod(client, Sandbox(id=id, run="r", tags={})) for id in (1, 2, 3)}
        following = iter(looks)

        def statuses(_: DockerQuorum) -> list[NodeStatus]:
            modes = enumerate(next(following), 1)
            return [NodeStatus(node=node, mode=mode) for node, mode in modes]

        monkeypatch.setattr(DockerQuorum, "statuses", statuses)
        monkeypatch.setattr(DockerQuorum, "_seen", lambda *_: "last seen so")
        monkeypatch.setattr(Pod, "has_ended", property(lambda pod: pod.id == ended))
        return DockerQuorum([], "r", pods, timings={})

    return quorum


def test_servers_that_are_busy_for_a_moment_are_waited_for(seen: Seen) -> None:
    """Who is asked to reconfigure another one: nobody leads, or answers in time, at first."""
    quorum = seen(
        ("leader", "silent", "silent"),
        ("silent", "follower", "silent"),
        ("leader", "silent", "follower"),
    )
    assert quorum._serving_beside(1) is quorum.nodes[3]


def test_a_leader_that_does_not_know_of_the_next_one_is_waited_for(seen: Seen) -> None:
    """All serve, and two say that they lead: the first has not heard of the election yet."""
    quorum = seen(("leader", "leader", "follower"), ("follower", "leader", "follower"))
    quorum.wait_ready(within_s=60)


def test_it_is_waited_for_beside_a_server_that_has_ended(seen: Seen) -> None:
    """Nobody asked for that one."""
    quorum = seen(("leader", "leader", "down"), ("follower", "leader", "down"), ended=3)
    quorum.wait_ready(within_s=60, nodes=[1, 2])


def test_a_server_that_has_ended_is_not_waited_for(seen: Seen) -> None:
    """It will not serve by itself."""
    quorum = seen(("follower", "leader", "down"), ended=3)
    with pytest.raises(ClusterError, match=r"expected nodes \[1, 2, 3\] serving"):
        quorum.wait_ready(within_s=60)
