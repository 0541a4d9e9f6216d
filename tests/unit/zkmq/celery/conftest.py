"""kombu connections to an in-memory ZooKeeper, whose loops are actors of its scheduler."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection

from worlds.memory.store import World
from zkmq.celery import Transport
from zkmq.celery.broker_session import BrokerSession
from zkmq.celery.broker_url import BrokerOptions, BrokerUrl

Connect = Callable[..., Connection]


@pytest.fixture
def broker(world: World) -> Iterator[World]:
    """Give a quorum whose actors end with the test."""
    yield world
    world.scheduler.stop()


@pytest.fixture
def connect(broker: World) -> Connect:
    """Give a function that connects one more client to the broker."""

    def open_session(url: BrokerUrl, options: BrokerOptions, _: float) -> BrokerSession:
        spawn, store = broker.scheduler.spawn, broker.client("kombu")
        return BrokerSession(store, url, options, spawn=spawn, janitor=False, segment_items=3)

    class MemoryTransport(Transport):
        _open = staticmethod(open_session)

    def connection(url: str = "zkmq://zk/celery", **settings: Any) -> Connection:
        return Connection(url, transport=MemoryTransport, **settings)

    return connection


@pytest.fixture
def connection(connect: Connect) -> Iterator[Connection]:
    """Give one client."""
    with connect() as one:
        yield one
