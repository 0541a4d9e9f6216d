"""One session of the gateway, on a server in memory."""

import asyncio

import pytest
from kazoo.protocol.serialization import Create

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.upstream.async_session import AsyncSession


def test_an_unknown_error_number_ends_nothing() -> None:
    """What only a newer server knows is 502 for its client, and the session goes on."""

    async def run(server: WireZooKeeper) -> tuple[int, int]:
        session = AsyncSession(server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=5)
        await session.ready()
        server.refuses = lambda *_: (-999, True)
        with pytest.raises(HttpError) as caught:
            await session.commit([Create(session.rooted("/a"), b"", session.acl, 0)])
        assert await session.exists("/") is not None
        await session.close()
        return caught.value.status, session.connects

    with WireZooKeeper() as server:
        assert asyncio.run(run(server)) == (502, 1)
