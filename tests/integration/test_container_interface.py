"""A quorum as a container of testcontainers: a test of another project's, on real servers."""

import pytest
from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from cluster.engine import engine, leftovers
from harness.quorum_container import ZooKeeperQuorumContainer
from worlds.outside import PATIENT_S, must_come

pytestmark = pytest.mark.docker


def test_a_client_survives_the_leader() -> None:
    """What was written is there after the leader has died, and afterwards no container is."""
    with ZooKeeperQuorumContainer(nodes=3) as zookeeper:
        url = zookeeper.get_connection_url()
        client = KazooClient(url, timeout=PATIENT_S, connection_retry=KazooRetry(max_tries=-1))
        client.start(timeout=PATIENT_S)
        client.create("/config", b"1")
        (killed,) = zookeeper.inject("kill", target="leader")
        assert client.retry(client.get, "/config")[0] == b"1"
        zookeeper.heal()
        must_come(lambda: zookeeper.quorum.nodes[killed].status().serving)
        client.stop()
        client.close()
        run = zookeeper.quorum.run
    assert leftovers.containers(engine.connect(), run) == []
