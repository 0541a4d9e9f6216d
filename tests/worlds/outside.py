"""A real quorum as its clients see it, for controls that do not trust a fault's own evidence."""

from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

from cluster.quorum import DockerQuorum
from harness.target import System
from harness.workers.running_clients import NoClients


@contextmanager
def client_of(quorum: DockerQuorum, *, timeout_s: float = 10) -> Iterator[KazooClient]:
    """Return a connected client of the ensemble, with a session of `timeout_s`."""
    client = KazooClient(quorum.hosts, timeout=timeout_s)
    client.start(timeout=30)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def system(quorum: DockerQuorum) -> System:
    """Return what a fault gets: the quorum, and no clients."""
    return System(quorum=quorum, clients=NoClients())
