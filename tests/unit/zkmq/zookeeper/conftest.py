"""A ZooKeeper in memory, on a real socket."""

from collections.abc import Iterator

import pytest

from worlds.wire.zookeeper import WireZooKeeper


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server, of which nothing may have been asked that it does not know."""
    with WireZooKeeper() as started:
        yield started
    assert started.errors == []
