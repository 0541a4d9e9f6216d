"""What a person sees who tries the gateway in a browser, or with curl."""

import asyncio
from typing import Any

import httpx
import pytest

from zkmq.rest.server.app import GatewayApp
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig


def asked(method: str, path: str, **request: Any) -> httpx.Response:
    """The answer of a gateway whose servers do not answer."""

    async def ask() -> httpx.Response:
        app = GatewayApp(GatewayConfig(endpoints=(EndpointConfig(hosts="127.0.0.1:1"),)))
        begin, end = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, str]:
            if begin.is_set():
                await end.wait()
            begin.set()
            return {"type": "lifespan"}

        async def send(_: object) -> None:
            return

        living = asyncio.create_task(app({"type": "lifespan"}, receive, send))
        await begin.wait()
        await asyncio.sleep(0)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.request(method, path, **request)
        end.set()
        await living
        return answer

    return asyncio.run(ask())


def test_the_root_points_to_the_documentation() -> None:
    """It is no resource, as in the original, and the answer names those that there are."""
    answer = asked("GET", "/")
    assert answer.status_code == 404
    assert "/openapi.json" in answer.text
    assert answer.headers["link"] == '</openapi.json>; rel="service-desc"'


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"data": {"a": "b"}}, 415, "expected application/json or application/octet-stream, got"),
        ({"json": {"items": []}}, 400, 'expected a list of items, such as [{"data64": '),
        ({"json": [{"data": "x"}]}, 400, "jobs[0] bad arguments: expected one of data64, headers,"),
    ],
    ids=["form", "object", "key"],
)
def test_a_put_that_is_not_understood_says_how_to_put(
    request_: dict[str, Any], status: int, says: str
) -> None:
    """What curl sends by itself, an object instead of a list, an unknown key."""
    answer = asked("POST", "/queues/v1/jobs/items", **request_)
    assert answer.status_code == status
    assert says in answer.json()["message"]
