"""A server in memory, and queues on it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.aio import Queue

Body = Callable[[Queue], Awaitable[Any]]
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as server:
        yield server


@pytest.fixture
def run(server: WireZooKeeper, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Give a function that runs a body with a queue of the test's own, and closes it."""

    def run(body: Body, **settings: Any) -> Any:
        async def main() -> Any:
            path = f"/{abs(hash(request.node.nodeid))}"
            async with await Queue.connect(
                server.address, path, janitor=False, **settings
            ) as queue:
                return await asyncio.wait_for(body(queue), WITHIN_S)

        return asyncio.run(main())

    return run
