"""A quorum of real servers: what the cluster package promises, seen from outside."""

import socket
from contextlib import closing

import docker
import pytest

from cluster import abilities, lending
from cluster.cluster_errors import ClusterError, PortError
from cluster.engine import engine, labels, leftovers
from cluster.engine.containers import execute
from cluster.engine.reach import LOOPBACK
from cluster.quorum import DockerQuorum
from cluster.software import server_image
from cluster.starting import attach
from harness.common.polling import wait_until
from harness.common.server_states import answered
from harness.common.settings.quorum_config import DEFAULT_RELEASE, QuorumConfig
from harness.faults.rolling import synced
from harness.faults.servers import SIGKILL_STATUS
from worlds.outside import PATIENT_S, in_mode, must_come

pytestmark = pytest.mark.docker
READY_WITHIN_S = 90.0


def follower_of(quorum: DockerQuorum) -> int:
    """Return the id of a node that follows."""
    return in_mode(quorum, "follower").node


def mine(client: docker.DockerClient) -> set[str]:
    """Return the names of all containers, networks and volumes that this process owns."""
    owned = {"label": f"{labels.OWNER}={labels.Owner.me()}"}
    things = [
        *client.containers.list(all=True, filters=owned),
        *client.networks.list(filters=owned),
        *client.volumes.list(filters=owned),
    ]
    return {str(thing.name) for thing in things}


def test_five_nodes_and_one_leader(quorum: DockerQuorum) -> None:
    """A ready quorum of five has one leader and four followers, and the leader sees them synced."""
    seen = wait_until(
        lambda: quorum.statuses(metrics=True), synced, within_s=PATIENT_S, every_s=0.1
    )
    assert sorted(s.mode for s in seen) == ["follower"] * 4 + ["leader"]
    leader = next(s for s in seen if s.mode == "leader")
    assert quorum.leader() == leader.node
    assert leader.metrics is not None
    assert leader.metrics["zk_synced_followers"] == "4"


def test_the_release_is_the_one_asked_for(quorum: DockerQuorum) -> None:
    """Every server is of the default release, by its own word."""
    told = quorum.versions()["zookeeper"]
    assert len(told) == 5
    assert all(version.startswith(DEFAULT_RELEASE) for version in told.values()), told


def test_servers_map_the_classes_kept_in_their_image(quorum: DockerQuorum) -> None:
    """A server of Debian's image loads no class from a jar that the image has parsed before."""
    for pod in quorum.nodes.values():
        lines = execute(pod.server, ["grep", "-c", "/debian/classes.jsa", "/proc/1/maps"]).output
        of_debian = pod.server.labels[server_image.ORIGIN].startswith("Debian")
        assert (int(lines) > 0) is of_debian


def test_kill_is_sigkill_and_another_leads(quorum: DockerQuorum) -> None:
    """A killed leader has SIGKILL's exit status, is down at once, and another node leads."""
    old = quorum.leader()
    evidence = quorum.nodes[old].kill()
    assert evidence["exit_code"] == SIGKILL_STATUS
    assert quorum.nodes[old].status().mode == "down"
    new = quorum.leader(within_s=PATIENT_S)
    assert new != old
    quorum.nodes[old].start()
    quorum.wait_ready(within_s=READY_WITHIN_S)
    must_come(lambda: quorum.nodes[old].status().mode == "follower")


def test_a_wiped_node_resyncs(quorum: DockerQuorum) -> None:
    """Wipe deletes the database and keeps the id; the node comes back with what the others have."""
    victim = follower_of(quorum)
    pod = quorum.nodes[victim]
    before = next(s.zxid for s in answered(quorum.statuses) if s.node == victim)
    pod.kill()
    evidence = pod.wipe()
    assert evidence["wiped_kb"] > 0
    assert "version-2" not in evidence["left"]
    assert pod.sandbox.run(["cat", "/data/myid"]).strip() == str(victim)
    pod.start()
    quorum.wait_ready(within_s=READY_WITHIN_S)
    must_come(lambda: pod.status().mode == "follower")
    after = next(s for s in answered(quorum.statuses) if s.node == victim)
    assert before is not None
    assert after.zxid is not None
    assert after.zxid >= before
    assert "version-2" in pod.sandbox.run(["ls", "/data"])


@pytest.mark.parametrize("state", ["serving", "paused"])
def test_only_a_server_that_is_down_is_wiped(quorum: DockerQuorum, state: str) -> None:
    """Deleting the files under a live server, frozen or not, would be another fault: refused."""
    pod = quorum.nodes[follower_of(quorum)]
    if state == "paused":
        pod.pause()
    with pytest.raises(ClusterError, match="wipe: expected a server that is down"):
        pod.wipe()


def test_pause_leaves_sockets_open(quorum: DockerQuorum) -> None:
    """A paused server is told from a dead one: it takes connections, and answers none of them."""
    pod = quorum.nodes[follower_of(quorum)]
    pod.pause()
    assert pod.status().mode == "paused"
    with socket.create_connection(pod.sandbox.address, timeout=PATIENT_S) as connection:
        connection.sendall(b"ruok")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(4)
    pod.resume()
    quorum.wait_ready(within_s=READY_WITHIN_S)


def test_another_process_finds_it_by_its_labels(quorum: DockerQuorum) -> None:
    """attach() gives the same nodes at the same addresses, from labels alone."""
    found = attach(quorum._hosts, quorum.run)
    assert found.hosts == quorum.hosts
    assert found.leader() == quorum.leader()


def test_everything_is_labelled(quorum: DockerQuorum) -> None:
    """Each container, network and volume says whose it is, and its owner is alive."""
    client = quorum._hosts[0].client
    held = {one.run: one for one in leftovers.runs([client])}
    assert not held[quorum.run].left
    containers = leftovers.containers(client, quorum.run)
    assert len(containers) == 10
    its = {"label": f"{labels.RUN}={quorum.run}"}
    assert len(client.networks.list(filters=its)) == 1
    assert len(client.volumes.list(filters=its)) == 5


def test_its_log_is_the_servers_own(quorum: DockerQuorum) -> None:
    """logs() gives every server's log, from its first line."""
    logs = dict(quorum.logs())
    assert sorted(logs) == [1, 2, 3, 4, 5]
    assert all(b"QuorumPeer" in log for log in logs.values())


def test_two_quorums_do_not_collide(standalone_zookeeper: str) -> None:
    """A second quorum has ports and names of its own, and its going down leaves the first be."""
    with lending.started(QuorumConfig(nodes=1), by_hand=False, say=print) as second:
        second.wait_ready(within_s=READY_WITHIN_S)
        assert second.hosts != standalone_zookeeper
        client, run = second._hosts[0].client, second.run
    assert leftovers.containers(client, run) == []
    host, _, port = standalone_zookeeper.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENT_S) as connection:
        connection.sendall(b"ruok")
        assert connection.recv(4) == b"imok"


def test_a_busy_port_is_named() -> None:
    """A port asked for by number that is taken is a PortError with the number; nothing is left."""
    with closing(engine.connect()) as client, socket.create_server((LOOPBACK, 0)) as taken:
        before = mine(client)
        port = taken.getsockname()[1]
        with (
            pytest.raises(PortError, match=f"port {port}: expected a free port, got one in use"),
            lending.started(QuorumConfig(nodes=1, port=port), by_hand=False, say=print),
        ):
            pytest.fail("it started on a port in use")
        assert mine(client) == before


def test_what_faults_need_is_tried_on_a_server() -> None:
    """Whatever this kernel lacks, each means is tried, and what every kernel has works."""
    with closing(engine.connect()) as client:
        before = mine(client)
        tried = abilities.tried(print)
        assert mine(client) == before
    assert set(tried) == set(abilities.ATTEMPTS)
    every = ("nft", "freezer", "clock", "full-disk", "disk-shim", "failpoints")
    sure = {name: tried[name] for name in every}
    assert set(sure.values()) == {None}, sure
