"""The routes of an endpoint: which resource answers which path (rest.md 1)."""

import re
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import EVENTS, negotiate, takes_json, takes_octets
from zkmq.rest.http.request_target import decode_path
from zkmq.rest.http.statuses import RETRY
from zkmq.rest.resources import multi, znode
from zkmq.rest.resources import queue_resources as queues
from zkmq.rest.resources.dispatch import Handler, Resource
from zkmq.rest.resources.rest_call import RestCall, reply
from zkmq.rest.resources.wadl import WADL, document
from zkmq.rest.resources.znode_events import follow
from zkmq.rest.upstream.async_session import AsyncSession

ZnodeHandler = Callable[[RestCall, AsyncSession, str], Awaitable[Response]]


def find(call: RestCall, path: str) -> Resource:
    """Return the resource at `path` (below the context), and set the call's `parts`.

    Raises:
        HttpError: 404, there is no resource at this path.
    """
    for pattern, resource in _ROUTES:
        match = pattern.fullmatch(path)
        if match:
            call.parts = match.groups()
            return resource
    raise HttpError(
        404,
        f"{call.path} not found: no such resource; /openapi.json describes all of them, such as "
        "/znodes/v1/ and /queues/v1/{name}/items",
        headers={"Link": '</openapi.json>; rel="service-desc"'},
    )


def _on_znode(handler: ZnodeHandler) -> Handler:
    async def handle(call: RestCall) -> Response:
        return await handler(call, call.connection(), decode_path(call.parts[0]))

    return handle


async def _get_znode(call: RestCall) -> Response:
    path = decode_path(call.parts[0])
    if call.media == EVENTS or call.query.get("watch") is not None:
        return await follow(call, call.endpoint.watches, path)
    return await znode.get(call, call.connection(), path)


async def _open_session(call: RestCall) -> Response:
    operation = call.query.get("op")
    if operation != "create":
        raise HttpError(400, f"sessions bad operation {operation}")
    most = call.config.limits.expire_s
    expire_s = call.query.integer("expire", 5, "sessions", allowed=range(most + 1))
    session = await call.endpoint.sessions.open(expire_s)
    uri = f"{call.uri.rstrip('/')}/{session.id}"
    return call.answer("session", {"id": session.id, "uri": uri}, 201, {"Location": uri})


async def _beat_session(call: RestCall) -> Response:
    try:
        call.endpoint.sessions.beat(call.parts[0])
    except KeyError as error:
        raise HttpError(404, f"{call.parts[0]} not found") from error
    return reply(200)


async def _close_session(call: RestCall) -> Response:
    try:
        await call.endpoint.sessions.close(call.parts[0])
    except TimeoutError as error:
        message = f"{call.parts[0]} closed; its znodes stay until ZooKeeper expires the session"
        raise HttpError(503, message, headers=RETRY, extra={"outcome": "unknown"}) from error
    return reply(204)


async def _wadl(call: RestCall) -> Response:
    if negotiate(call.joined("accept"), (WADL,)) is None:
        raise HttpError(406, f"not acceptable: expected {WADL}")
    base = call.uri.removesuffix("application.wadl")
    return Response(document(base), media_type=WADL)


async def _multi(call: RestCall) -> Response:
    return await multi.post(call, call.connection())


_ZNODES = Resource(
    name="znodes",
    methods={
        "GET": _get_znode,
        "HEAD": _on_znode(znode.head),
        "PUT": _on_znode(znode.put),
        "POST": _on_znode(znode.post),
        "DELETE": _on_znode(znode.delete),
    },
    before=RestCall.connection,
    takes=takes_octets,
    streams=(EVENTS,),
)
_SESSION = Resource(
    name="session", methods={"PUT": _beat_session, "DELETE": _close_session}, takes=takes_octets
)
_ROUTES: tuple[tuple[re.Pattern[str], Resource], ...] = (
    (re.compile("/znodes/v1(/.*)"), _ZNODES),
    (re.compile("/sessions/v1/?"), Resource(name="sessions", methods={"POST": _open_session})),
    (re.compile("/sessions/v1/([^/]+)"), _SESSION),
    (
        re.compile("/multi/v1/?"),
        Resource(
            name="multi", methods={"POST": _multi}, before=RestCall.connection, takes=takes_json
        ),
    ),
    (
        re.compile(r"/application\.wadl"),
        Resource(name="wadl", methods={"GET": _wadl, "HEAD": _wadl}, offers=()),
    ),
    *queues.ROUTES,
)
