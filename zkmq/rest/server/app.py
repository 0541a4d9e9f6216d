"""The gateway as an ASGI application."""

import asyncio
import contextlib
import itertools
import logging
import re
import secrets
from collections.abc import Mapping
from time import perf_counter

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from zkmq.rest import openapi
from zkmq.rest.http.http_errors import ClientGoneError, HttpError
from zkmq.rest.http.representations import to_json
from zkmq.rest.resources.dispatch import Handler, Resource
from zkmq.rest.resources.endpoint import Endpoint, check_password
from zkmq.rest.resources.rest_call import RestCall
from zkmq.rest.server import routes
from zkmq.rest.server.monitoring import Metrics, log_access
from zkmq.rest.upstream.gateway_config import GatewayConfig

_log = logging.getLogger(__name__)

_REQUEST_ID = re.compile("[A-Za-z0-9._-]{1,64}")
_NO_SNIFF = (b"x-content-type-options", b"nosniff")
_HUNG_UP = 499  # what nginx logs for a client that did not wait; never sent
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class GatewayApp:
    """Finds the endpoint and the resource of a request, answers it, logs it and counts it."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self._endpoints: list[Endpoint] = []
        self._metrics = Metrics()
        self._boot = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._own = {
            "/healthz": self._resource("healthz", self._health),
            "/readyz": self._resource("readyz", self._ready),
            "/metrics": self._resource("metrics", self._measured),
            "/openapi.json": self._resource("openapi", self._openapi),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run from the server's start to its end (`lifespan`)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def shut(self) -> None:
        """End all requests that wait for changes or items, so that the server can drain."""
        for endpoint in self._endpoints:
            endpoint.watches.shut()
            endpoint.queues.shut()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        limits = self.config.limits
        self._endpoints = [Endpoint(endpoint, limits) for endpoint in self.config.endpoints]
        # The longest context first, because it is the most specific.
        self._endpoints.sort(key=lambda endpoint: -len(endpoint.config.context))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _close(self) -> None:
        """End all sessions. ZooKeeper expires those that it does not confirm in time."""
        closing = (endpoint.close() for endpoint in self._endpoints)
        try:
            async with asyncio.timeout(self.config.limits.shutdown_s):
                outcomes = await asyncio.gather(*closing, return_exceptions=True)
        except TimeoutError:
            outcomes = [TimeoutError("sessions are left to expire in ZooKeeper")]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                _log.warning("shutdown: %s", outcome)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        call = RestCall.of(scope, receive, self.config)
        request_id = self._request_id(call)
        route, status = "none", _HUNG_UP
        try:
            route, response = await self._respond(call)
            status = response.status_code
            response.raw_headers += [(b"x-request-id", request_id.encode()), _NO_SNIFF]
            await response(scope, receive, send)
        except ClientGoneError:
            pass  # there is no client to answer
        finally:
            elapsed_s = perf_counter() - started
            self._metrics.record(call.method, route, status, elapsed_s)
            log_access(call, request_id, route, status, elapsed_s)

    async def _respond(self, call: RestCall) -> tuple[str, Response]:
        route = "none"
        try:
            call.check_host()
            resource = self._find(call)
            route = resource.name
            return route, await resource(call)
        except HttpError as error:
            return route, call.failure(error)
        except ClientGoneError:
            raise
        except Exception:  # noqa: BLE001 -- no trace may reach a client, whatever it is
            _log.exception("%s %s failed", call.method, route)
            return route, call.failure(HttpError(500, "the gateway failed; its log says why"))

    def _find(self, call: RestCall) -> Resource:
        limits = self.config.limits
        if len(call.scope["raw_path"]) + len(call.scope["query_string"]) > limits.url_bytes:
            raise HttpError(414, f"URL too long: expected at most {limits.url_bytes} bytes")
        if sum(len(k) + len(v) + 4 for k, v in call.scope["headers"]) > limits.header_bytes:
            raise HttpError(431, f"headers too long: expected at most {limits.header_bytes} bytes")
        if call.path in self._own:
            return self._own[call.path]
        endpoint, below = self._endpoint_of(call)
        call.endpoint = endpoint
        check_password(endpoint.config.users, call.headers.get("authorization"))
        if endpoint.config.read_only and call.method not in _READS:
            raise HttpError(403, f"{endpoint.config.context} is read-only")
        return routes.find(call, below)

    def _endpoint_of(self, call: RestCall) -> tuple[Endpoint, str]:
        for endpoint in self._endpoints:
            context = endpoint.config.context.rstrip("/")
            if call.path == context or call.path.startswith(context + "/"):
                return endpoint, call.path[len(context) :]
        raise HttpError(404, f"{call.path} not found: no such endpoint")

    def _request_id(self, call: RestCall) -> str:
        given = call.headers.get("x-request-id")
        if given and _REQUEST_ID.fullmatch(given):
            return given
        return f"{self._boot}-{next(self._numbers)}"

    def _resource(self, name: str, handler: Handler) -> Resource:
        return Resource(name=name, methods={"GET": handler, "HEAD": handler}, offers=())

    async def _health(self, _call: RestCall) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _ready(self, _call: RestCall) -> Response:
        await asyncio.gather(*(_try(endpoint) for endpoint in self._endpoints))
        states = {
            endpoint.config.context: "connected" if endpoint.shared.connected else "disconnected"
            for endpoint in self._endpoints
        }
        ready = all(state == "connected" for state in states.values())
        body = to_json({"ready": ready, "endpoints": states})
        return Response(body, 200 if ready else 503, media_type="application/json")

    async def _measured(self, call: RestCall) -> Response:
        check_password(self.config.admins, call.headers.get("authorization"))
        text = self._metrics.exposition(self._gauges())
        return Response(text, media_type="text/plain; version=0.0.4")

    async def _openapi(self, call: RestCall) -> Response:
        check_password(self.config.admins, call.headers.get("authorization"))
        return Response(to_json(openapi.document()), media_type="application/json")

    def _gauges(self) -> list[tuple[str, str, str, Mapping[str, float]]]:
        by_context = {endpoint.config.context: endpoint for endpoint in self._endpoints}
        connected = {c: float(e.shared.connected) for c, e in by_context.items()}
        connects = {c: float(e.shared.connects) for c, e in by_context.items()}
        sessions = {c: float(len(e.sessions)) for c, e in by_context.items()}
        consumers = {c: float(e.queues.consumers) for c, e in by_context.items()}
        watches = {c: float(len(e.watches)) for c, e in by_context.items()}
        return [
            ("zkmq_rest_connected", "gauge", "Whether ZooKeeper can be reached.", connected),
            ("zkmq_rest_connects_total", "counter", "Connections to ZooKeeper.", connects),
            ("zkmq_rest_sessions", "gauge", "Open REST sessions.", sessions),
            ("zkmq_rest_consumers", "gauge", "Open consumers of queues.", consumers),
            ("zkmq_rest_watches", "gauge", "Clients waiting for news.", watches),
        ]


async def _try(endpoint: Endpoint) -> None:
    with contextlib.suppress(HttpError):  # /readyz then reports it as disconnected
        await endpoint.shared.ready()
