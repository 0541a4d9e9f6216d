"""One HTTP request as the handlers get it, and the answers that they make."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope

from zkmq.rest.http.http_errors import ClientGoneError, HttpError
from zkmq.rest.http.negotiation import ANSWERS, JSON, JSONP, OCTETS, negotiate
from zkmq.rest.http.representations import Representation, check_callback, one_line, render
from zkmq.rest.http.request_target import Query
from zkmq.rest.resources.endpoint import Endpoint
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import GatewayConfig

_AUTHORITY = re.compile(r"[A-Za-z0-9._~:\[\]-]+")
_ABSOLUTE = re.compile(r"https?://[^/]*", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class RestCall:
    """One request. `path` is percent-encoded; `parts` are the variable parts of a route's path.

    The gateway sets `endpoint` before it looks for the resource of a path below one.
    """

    config: GatewayConfig
    scope: Scope
    receive: Receive
    method: str
    path: str
    query: Query
    headers: Headers
    endpoint: Endpoint = field(init=False)
    parts: tuple[str, ...] = ()
    media: str = JSON
    callback: str = "callback"

    @classmethod
    def of(cls, scope: Scope, receive: Receive, config: GatewayConfig) -> "RestCall":
        """Read a request's first line and headers."""
        return cls(
            config=config,
            scope=scope,
            receive=receive,
            method=scope["method"],
            path=_ABSOLUTE.sub("", scope["raw_path"].decode("latin-1")) or "/",
            query=Query(scope["query_string"].decode("latin-1")),
            headers=Headers(raw=scope["headers"]),
        )

    @property
    def base(self) -> str:
        """Scheme and authority of the URLs in answers."""
        if self.config.public_url:
            return self.config.public_url.rstrip("/")
        scheme, host = self.scope["scheme"], self.headers.get("host")
        if self.config.trust_proxy:
            scheme = self.headers.get("x-forwarded-proto") or scheme
            host = self.headers.get("x-forwarded-host") or host
        if host is None:  # HTTP/1.0
            name, port = self.scope["server"]
            host = f"{name}:{port}"
        return f"{scheme}://{host}"

    @property
    def uri(self) -> str:
        """The request's URL without query."""
        return self.base + self.path

    @property
    def url(self) -> str:
        """The request's URL with its query."""
        query = self.scope["query_string"].decode("latin-1")
        return f"{self.uri}?{query}" if query else self.uri

    def connection(self) -> AsyncSession:
        """Return the connection of the REST session that the query names, or the shared one.

        Raises:
            HttpError: 401, no such session here.
        """
        return self.endpoint.connection(self.query.get("session"))

    def joined(self, name: str) -> str | None:
        """Return all values of a repeatable header, joined by commas; None if it is not given."""
        values = self.headers.getlist(name)
        return ",".join(values) if values else None

    def check_host(self) -> None:
        """Refuse a request without one Host header, or with a bad one; HTTP/1.0 needs none.

        Raises:
            HttpError: 400.
        """
        hosts = self.headers.getlist("host")
        if len(hosts) != 1 and (hosts or self.scope["http_version"] != "1.0"):
            raise HttpError(400, f"expected one Host header, got {len(hosts)}")
        if hosts and not _AUTHORITY.fullmatch(hosts[0]):
            raise HttpError(400, "bad Host header")

    def negotiate(self, offered: tuple[str, ...] = ANSWERS) -> None:
        """Choose the representation of the answer.

        Raises:
            HttpError: 406, or 400 for a bad JSONP callback.
        """
        media = self._acceptable(offered)
        if media is None:
            raise HttpError(406, "not acceptable: expected one of " + ", ".join(offered))
        self.media = media
        if media == JSONP:
            self.callback = check_callback(self.query.get("callback"))

    def _acceptable(self, offered: tuple[str, ...] = ANSWERS) -> str | None:
        if not self.config.jsonp:
            offered = tuple(media for media in offered if media != JSONP)
        return negotiate(self.joined("accept"), offered)

    async def body(self, most: int, subject: str) -> bytes:
        """Read the whole body.

        Raises:
            HttpError: 413 if the body is longer than `most` bytes; if its length is announced, then
                before it is read. 408 if it does not arrive in time.
            ClientGoneError: the client hung up before the end of the body.
        """
        too_large = HttpError(413, f"{subject} too large: expected at most {most} bytes")
        announced = self.headers.get("content-length")
        if announced is not None and "transfer-encoding" in self.headers:
            raise HttpError(400, f"{subject} bad arguments: Content-Length and Transfer-Encoding")
        if announced is not None and int(announced) > most:
            raise too_large
        try:
            async with asyncio.timeout(self.config.limits.body_timeout_s):
                return await self._read_body(most, too_large)
        except TimeoutError as error:
            raise HttpError(408, f"{subject} the body did not arrive in time") from error

    async def _read_body(self, most: int, too_large: HttpError) -> bytes:
        body = b""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError("hung up before the end of the body")
            body += message.get("body") or b""
            if len(body) > most:
                raise too_large
            if not message.get("more_body", False):
                return body

    async def json_body(self, most: int, subject: str) -> Any:
        """Read a JSON body.

        Raises:
            HttpError: 400, not JSON; or as for `body`.
        """
        return self.parse_json(await self.body(most, subject), subject)

    def parse_json(self, body: bytes, subject: str) -> Any:
        """Read a body as JSON.

        Raises:
            HttpError: 400, not JSON.
        """
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HttpError(400, f"{subject} bad arguments: expected a JSON body") from error

    def answer(
        self,
        root: str,
        fields: Representation,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answer with a representation in the negotiated format."""
        content = render(root, fields, self.media, self.callback)
        media = JSON if self.media == OCTETS else self.media
        return Response(content, status, headers, media_type=media)

    def failure(self, error: HttpError) -> Response:
        """Answer with the ERROR body of rest.md 3.6, in an acceptable format or else in JSON."""
        media = self._acceptable() or JSON
        fields = {"request": self.url, "message": one_line(error.message), **error.extra}
        headers = error.headers
        if self.method == "HEAD":
            return Response(status_code=error.status, headers=headers)
        if media == OCTETS:
            content = str(fields["message"]).encode(errors="replace")
        else:
            content = render("error", fields, media, self.callback)
        return Response(content, error.status, headers, media_type=media)


def reply(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer without a body."""
    return Response(status_code=status, headers=dict(headers or {}))
