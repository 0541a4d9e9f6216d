"""A real quorum as its clients see it, for controls that do not trust a fault's own evidence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

from cluster.quorum import DockerQuorum
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus
from harness.target import System
from harness.workers.running_clients import NoClients

# For what a machine that stands still for a while must not decide: sessions, connections, looks.
PATIENT_S = 60.0


@contextmanager
def client_of(quorum: DockerQuorum) -> Iterator[KazooClient]:
    """Return a connected client of the ensemble, whose session outlasts what a test does."""
    client = KazooClient(quorum.hosts, timeout=PATIENT_S)
    client.start(timeout=PATIENT_S)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def must_come(seen: Callable[[], object]) -> None:
    """Wait for something that must come."""
    assert wait_until(seen, within_s=PATIENT_S, every_s=0.05)


def in_mode(quorum: DockerQuorum, mode: str) -> NodeStatus:
    """Return what is seen of the first server in that mode, once one is."""
    seen = wait_until(
        lambda: [one for one in quorum.statuses() if one.mode == mode],
        within_s=PATIENT_S,
        every_s=0.05,
    )
    return seen[0]


def system(quorum: DockerQuorum) -> System:
    """Return what a fault gets: the quorum, and no clients."""
    return System(quorum=quorum, clients=NoClients())
