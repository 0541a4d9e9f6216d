"""The checks that every resource makes before it calls the handler of a method."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.negotiation import ANSWERS
from zkmq.rest.resources.rest_call import RestCall, reply

Handler = Callable[[RestCall], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """The methods of one resource.

    Attributes:
        before: a check that runs before all others.
        takes: whether a Content-Type is accepted, for the methods in `bodies`.
        offers: the formats of the answers; empty if there is nothing to negotiate.
        streams: further formats that only GET offers.
    """

    name: str
    methods: Mapping[str, Handler]
    before: Callable[[RestCall], object] | None = None
    takes: Callable[[str | None], bool] | None = None
    bodies: frozenset[str] = frozenset({"PUT", "POST"})
    offers: tuple[str, ...] = ANSWERS
    streams: tuple[str, ...] = ()

    async def __call__(self, call: RestCall) -> Response:
        """Check the request, and call the handler of its method.

        Raises:
            HttpError: 401, 405, 415, 406 or 400, in this order; or what the method raises.
        """
        if self.before:
            self.before(call)
        allow = {"Allow": ", ".join(["OPTIONS", *self.methods])}
        if call.method == "OPTIONS":
            return reply(200, allow)
        handler = self.methods.get(call.method)
        if handler is None:
            raise HttpError(405, f"{call.method} not allowed", headers=allow)
        self._check_content_type(call)
        if self.offers:
            call.negotiate(self.offers + (self.streams if call.method == "GET" else ()))
        return await handler(call)

    def _check_content_type(self, call: RestCall) -> None:
        if self.takes and call.method in self.bodies:
            content_type = call.joined("content-type")
            if not self.takes(content_type):
                takes = " or ".join(each for each in ANSWERS if self.takes(each))
                raise HttpError(415, f"content type: expected {takes}, got {content_type}")
