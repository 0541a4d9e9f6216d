"""An in-memory ZooKeeper and queues on it, one client each."""

from typing import Any

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import Queue


@pytest.fixture
def world() -> World:
    """Give a quorum without faults."""
    return World(seed=1)


@pytest.fixture
def opened(world: World) -> Open:
    """Give a function that opens the queue as one more client."""

    def open_queue(name: str = "client", **settings: Any) -> Queue:
        settings.setdefault("janitor", False)
        settings.setdefault("segment_items", 3)
        return Queue(world.client(name), **settings)

    return open_queue


@pytest.fixture
def queue(opened: Open) -> Queue:
    """Give the queue of one client, with segments of three items."""
    return opened()
