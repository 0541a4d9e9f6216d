"""Listings of znodes over HTTP."""

import asyncio
import json
from typing import Any, cast

from kazoo.protocol.states import ZnodeStat
from starlette.datastructures import Headers
from starlette.types import Message

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.request_target import Query
from zkmq.rest.resources import znode
from zkmq.rest.resources.rest_call import RestCall
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

STAT = ZnodeStat(1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3)


class Connection:
    """Three children, one of which is gone by now, and one that may not be read."""

    async def children(self, _path: str) -> tuple[list[str], ZnodeStat]:
        """List them."""
        return ["gone", "mine", "yours"], STAT

    async def exists(self, path: str) -> ZnodeStat | None:
        """Look at one."""
        if path == "/a/yours":
            raise HttpError(403, path)
        return STAT if path == "/a/mine" else None


async def never() -> Message:
    """Have no body."""
    raise AssertionError("no body is asked for")


def test_a_child_that_may_not_be_read_is_left_out_of_the_metadata() -> None:
    """9: it is listed by name, and keeps no other child's metadata from the answer."""
    call = RestCall(
        config=GatewayConfig(endpoints=(EndpointConfig(hosts="h"),)),
        scope={"headers": [(b"host", b"h")], "scheme": "http", "type": "http", "path": "/"},
        receive=never,
        method="GET",
        path="/znodes/v1/a",
        query=Query("view=children&stat=true"),
        headers=Headers(raw=[(b"host", b"h")]),
    )
    answer = asyncio.run(znode.get(call, cast(AsyncSession, Connection()), "/a"))
    told: dict[str, Any] = json.loads(bytes(answer.body))
    assert told["children"] == ["gone", "mine", "yours"]
    assert [each["name"] for each in told["stats"]] == ["mine"]
