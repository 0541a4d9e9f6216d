"""What the tests of section 11 share: a gateway, and a new queue for each of them."""

import itertools
from collections.abc import Iterator

import pytest
from integration.rest.contract.http_queue import HttpQueue
from integration.rest.exchange import Rest, running
from kazoo.client import KazooClient

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def queues(hosts: str, zk: KazooClient) -> Iterator[tuple[int, str]]:
    """A gateway for these queues: its port, and the connect string of its root."""
    zk.ensure_path("/rest/queues")
    chroot = f"{hosts}/rest/queues"
    endpoint = EndpointConfig(hosts=chroot)
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        yield port, chroot


@pytest.fixture
def queue(queues: tuple[int, str]) -> Iterator[HttpQueue]:
    """A new queue of this test's own."""
    port, hosts = queues
    rest = Rest("127.0.0.1", port)
    yield HttpQueue(rest, hosts, f"q{next(_numbers)}")
    rest.close()
