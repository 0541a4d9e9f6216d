"""A gateway on a real ZooKeeper, shared by the contract tests; each test has its own subtree."""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration.rest.exchange import Rest, running
from kazoo.client import KazooClient

from zkmq.rest.client import Queue
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def hosts(request: pytest.FixtureRequest) -> str:
    """The connect string of a ZooKeeper server."""
    given = os.environ.get("ZK_HOSTS")
    return given or str(request.getfixturevalue("standalone_zookeeper"))


@pytest.fixture(scope="session")
def zk(hosts: str) -> Iterator[KazooClient]:
    """A binary client, to look from the other side."""
    client = KazooClient(hosts, timeout=60)
    client.start()
    client.ensure_path("/rest")
    yield client
    remove(client, "/rest")
    client.stop()
    client.close()


def remove(client: KazooClient, top: str) -> None:
    """Delete a tree, a level at a time; kazoo's own way takes a round trip for each znode."""
    levels = [[top]]
    while levels[-1]:
        listed = [(path, client.get_children_async(path)) for path in levels[-1]]
        levels.append([f"{path}/{name}" for path, found in listed for name in found.get(60)])
    for level in reversed(levels):
        for deleted in [client.delete_async(path) for path in level]:
            deleted.get(60)


@pytest.fixture(scope="session")
def gateway(hosts: str) -> Iterator[int]:
    """The port of a gateway with one endpoint, at /."""
    with running(GatewayConfig(endpoints=(EndpointConfig(hosts=hosts),), port=0)) as port:
        yield port


@pytest.fixture
def rest(gateway: int) -> Iterator[Rest]:
    """A client of the gateway."""
    client = Rest("127.0.0.1", gateway)
    yield client
    client.close()


@pytest.fixture
def top(zk: KazooClient) -> str:
    """A new, empty znode of this test's own."""
    path = f"/rest/t{os.getpid()}-{next(_numbers)}"
    zk.create(path, b"")
    return path


@pytest.fixture
def url(top: str) -> str:
    """The request target of `top`."""
    return f"/znodes/v1{top}"


@pytest.fixture(scope="module")
def served(hosts: str, zk: KazooClient) -> Iterator[tuple[str, str]]:
    """A gateway's URL, and the connect string of its root."""
    zk.ensure_path("/rest/client")
    chroot = f"{hosts}/rest/client"
    with running(GatewayConfig(endpoints=(EndpointConfig(hosts=chroot),), port=0)) as port:
        yield f"http://127.0.0.1:{port}", chroot


@pytest.fixture
def connect(served: tuple[str, str]) -> Iterator[Callable[..., Queue]]:
    """Opens clients of one new queue; closes them at the end."""
    path = f"/c{next(_numbers)}"
    opened: list[Queue] = []

    def connect(**settings: Any) -> Queue:
        opened.append(Queue.connect(served[0], path, **({"session_s": 60} | settings)))
        return opened[-1]

    yield connect
    for queue in opened:
        queue.close()
