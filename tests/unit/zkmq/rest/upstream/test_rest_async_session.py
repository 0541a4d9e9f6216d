"""One session of the gateway, on a server in memory."""

import asyncio
from typing import Any

import pytest
from kazoo.protocol.serialization import CheckVersion, Create, Delete, SetData
from kazoo.protocol.states import ZnodeStat
from starlette.types import Message

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.resources import multi
from zkmq.rest.resources.rest_call import RestCall
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig


def test_an_unknown_error_number_ends_nothing() -> None:
    """What only a newer server knows is 502 for its client, and the session goes on."""

    async def run(server: WireZooKeeper) -> tuple[int, int]:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=60
        )
        await session.ready()
        server.refuses = lambda *_: (-999, True)
        with pytest.raises(HttpError) as caught:
            await session.commit([Create(session.rooted("/a"), b"", session.acl, 0)])
        assert await session.exists("/") is not None
        await session.close()
        return caught.value.status, session.connects

    with WireZooKeeper() as server:
        assert asyncio.run(run(server)) == (502, 1)


def test_the_results_of_a_transaction() -> None:
    """A path for a create, a stat for a set, True for a check and a delete, in order."""

    async def run(server: WireZooKeeper) -> list[Any]:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=60
        )
        results = await session.commit(
            [
                Create("/a", b"1", session.acl, 0),
                Create("/n", b"", session.acl, 2),
                SetData("/a", b"2", 0),
                CheckVersion("/a", 1),
                Delete("/a", 1),
            ]
        )
        await session.close()
        return results

    with WireZooKeeper() as server:
        created, numbered, stat, checked, deleted = asyncio.run(run(server))
    assert (created, numbered, checked, deleted) == ("/a", "/n0000000001", True, True)
    assert isinstance(stat, ZnodeStat)


@pytest.mark.parametrize(("number", "status"), [(-999, 502), (-125, 502), (-103, 412)])
def test_a_transaction_tells_why_an_operation_was_refused(number: int, status: int) -> None:
    """Also by a number that only a newer server knows; and the session goes on."""
    body = b'[{"op": "create", "path": "/a"}, {"op": "create", "path": "/b"}]'

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def run(server: WireZooKeeper) -> tuple[HttpError, int]:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=60
        )
        server.refuses = lambda *_: (number, False)
        config = GatewayConfig(endpoints=(EndpointConfig(hosts="h"),))
        scope = {"method": "POST", "raw_path": b"/multi/v1/", "query_string": b"", "headers": []}
        with pytest.raises(HttpError) as caught:
            await multi.post(RestCall.of(scope, receive, config), session)
        assert await session.exists("/") is not None
        await session.close()
        return caught.value, session.connects

    with WireZooKeeper() as server:
        error, connects = asyncio.run(run(server))
    assert (error.status, connects) == (status, 1)
    assert error.extra == {"index": 0}
    assert error.message.startswith("multi[0] /a ")


@pytest.mark.parametrize(("is_old", "expected"), [(False, True), (True, False)])
def test_whether_a_server_removes_watches(*, is_old: bool, expected: bool) -> None:
    """A watch that has fired counts as removed; a server of 3.4 says that it removes none."""

    async def run(server: WireZooKeeper) -> bool:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=60
        )
        await session.ready()
        removed = await session.unwatch("/never-watched")
        await session.close()
        return removed

    with WireZooKeeper() as server:
        server.old = is_old
        assert asyncio.run(run(server)) is expected


def test_no_answer_to_a_removal_says_nothing_of_the_server() -> None:
    """It is an error, since the server may remove watches all the same."""

    async def run(server: WireZooKeeper) -> int:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=0.01, connect_wait_s=60
        )
        await session.ready()
        session._send = lambda _: session._client.handler.async_result()  # type: ignore[method-assign]
        with pytest.raises(HttpError) as caught:
            await session.unwatch("/a")
        session._timeout_s = 60.0
        await session.close()
        return caught.value.status

    with WireZooKeeper() as server:
        assert asyncio.run(run(server)) == 504
