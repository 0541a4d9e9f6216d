"""The open queues and consumers of a gateway, on a server in memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Queue
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.queues import http_consumer
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig, Limits

WITHIN_S = 60.0


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as server:
        yield server


def run(
    server: WireZooKeeper, body: Callable[[EndpointQueues], Awaitable[Any]], **limits: Any
) -> Any:
    """Run a body with the queues of an endpoint, and close them."""

    async def main() -> Any:
        config, chosen = EndpointConfig(hosts=server.address), Limits(**limits)
        shared = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=WITHIN_S, connect_wait_s=WITHIN_S
        )
        queues = EndpointQueues(config, chosen, shared)
        try:
            return await asyncio.wait_for(body(queues), WITHIN_S)
        finally:
            await queues.close()
            await shared.close()

    return asyncio.run(main())


def test_a_gateway_of_consumers_alone_brings_back_the_items_of_the_dead(
    server: WireZooKeeper,
) -> None:
    """Nobody puts and nobody else is there: what a dead consumer held still comes."""
    with Queue.connect(server.address, "/jobs", janitor=False) as dead:
        dead.put(b"a")
        assert dead.reserve(sync=True).items
        assert dead.session_id is not None
        server.expire(dead.session_id)

    async def body(queues: EndpointQueues) -> list[bytes]:
        consumer = await queues.open_consumer("jobs", 60, {})
        found = await consumer.reserve(1, wait_s=WITHIN_S / 2, done=(), sync=False)
        return [item.data for item in found.items]

    assert run(server, body) == [b"a"]


def test_a_reserve_does_not_outlast_a_shutdown(
    server: WireZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that stops ends the waits of its clients: they are answered that nothing came."""
    monkeypatch.setattr(http_consumer, "_SLICE_S", 0.05)

    async def body(queues: EndpointQueues) -> Any:
        consumer = await queues.open_consumer("jobs", 60, {})
        waiting = asyncio.create_task(consumer.reserve(1, wait_s=3600, done=(), sync=False))
        await asyncio.sleep(0)
        queues.shut()
        return (await waiting).items

    assert run(server, body) == ()


def test_consumers_that_open_at_once_keep_the_limit(server: WireZooKeeper) -> None:
    """Those that are still being opened count."""

    async def body(queues: EndpointQueues) -> list[Any]:
        opening = (queues.open_consumer("jobs", 60, {}) for _ in range(3))
        return await asyncio.gather(*opening, return_exceptions=True)

    outcomes = run(server, body, consumers=2)
    assert [getattr(each, "status", 201) for each in outcomes] == [201, 201, 503]


def test_the_queue_that_was_used_least_makes_way(server: WireZooKeeper) -> None:
    """One more than the limit is served, and its session takes the place of another."""

    async def body(queues: EndpointQueues) -> list[bool]:
        opened = {}
        for name in ("a", "b", "a", "c"):
            with queues.in_call(name):
                opened[name] = await queues.queue(name)
        again = [await queues.queue(name) is opened[name] for name in ("a", "c")]
        await asyncio.gather(*queues._ending)
        return [*again, opened["b"].queue.session_id is not None]

    assert run(server, body, queues=2) == [True, True, False]


def test_a_queue_in_use_stays(server: WireZooKeeper) -> None:
    """While all have a call or a consumer, one more is 503."""

    async def body(queues: EndpointQueues) -> list[int]:
        refused = list[int]()
        await queues.open_consumer("a", 60, {})
        with queues.in_call("b"):
            await queues.queue("b")
            for name in ("c", "d"):
                try:
                    await queues.queue(name)
                except HttpError as error:
                    refused.append(error.status)
        await queues.queue("c")
        return refused

    assert run(server, body, queues=2) == [503, 503]
