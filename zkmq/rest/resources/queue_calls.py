"""What every resource of a queue does: name the queue, read arguments, translate errors."""

import base64
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from zkmq import ZkmqError
from zkmq.rest.http.negotiation import JSON, takes_json
from zkmq.rest.http.representations import to_json
from zkmq.rest.http.request_target import decode_path
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.queues.error_translation import to_http
from zkmq.rest.queues.json_arguments import JsonArguments
from zkmq.rest.resources.dispatch import Handler, Resource
from zkmq.rest.resources.rest_call import RestCall

QueueHandler = Callable[[RestCall, EndpointQueues, str], Awaitable[Response]]
Routes = tuple[tuple[re.Pattern[str], Resource], ...]


def on_queue(handler: QueueHandler) -> Handler:
    """Call the handler with the open queues and the name of this one; answer the queue's errors."""

    async def handle(call: RestCall) -> Response:
        name, queues = decode_path(f"/{call.parts[0]}")[1:], call.endpoint.queues
        try:
            with queues.in_call(name):
                return await handler(call, queues, name)
        except ZkmqError as error:
            raise to_http(error, name) from error

    return handle


async def arguments(call: RestCall, where: str, *known: str) -> JsonArguments:
    """Read the JSON arguments of a call. An empty body is an empty object."""
    body = await call.body(call.config.limits.packet_bytes, where)
    return JsonArguments(call.parse_json(body, where) if body else {}, where, *known)


def data64(data: bytes) -> dict[str, str]:
    """The field of a payload."""
    return {"data64": base64.b64encode(data).decode()}


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer in JSON, the one format that queues have."""
    return Response(to_json(value), status, headers, media_type=JSON)


def route(
    name: str,
    below: str,
    methods: dict[str, Handler],
    takes: Callable[[str | None], bool] = takes_json,
) -> tuple[re.Pattern[str], Resource]:
    """The resource at a path below that of a queue, which gives JSON and takes it by default."""
    found = Resource(name=f"queue-{name}", methods=methods, takes=takes, offers=(JSON,))
    return re.compile(f"/queues/v1/([^/]+)/{below}"), found
