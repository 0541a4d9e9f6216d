"""What a person sees who opens the gateway's address in a browser."""

import asyncio

import httpx

from zkmq.rest.server.app import GatewayApp
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig


def test_the_root_points_to_the_documentation() -> None:
    """It is no resource, as in the original, and the answer names those that there are."""

    async def asked() -> httpx.Response:
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
            answer = await client.get("/")
        end.set()
        await living
        return answer

    answer = asyncio.run(asked())
    assert answer.status_code == 404
    assert "/openapi.json" in answer.text
    assert answer.headers["link"] == '</openapi.json>; rel="service-desc"'
