"""One endpoint: its shared ZooKeeper session, its REST sessions, watches and queues."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.queues.endpoint_queues import EndpointQueues
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig, Limits
from zkmq.rest.upstream.rest_sessions import RestSessions
from zkmq.rest.upstream.shared_watches import SharedWatches


class Endpoint:
    """The state behind one context path."""

    def __init__(self, config: EndpointConfig, limits: Limits) -> None:
        self.config = config
        self._limits = limits
        self.shared = self._connect(limits.session_timeout_s)
        self.sessions = RestSessions(self._connect, most=limits.sessions)
        self.watches = SharedWatches(self.shared, most=limits.watchers)
        self.queues = EndpointQueues(config, limits, self.shared)

    def connection(self, session_id: str | None) -> AsyncSession:
        """Return the connection of a REST session, or the shared one without an id.

        Raises:
            HttpError: 401, no such session here.
        """
        if not session_id:
            return self.shared
        try:
            return self.sessions[session_id].connection
        except KeyError as error:
            raise HttpError(401, f"{session_id} not found") from error

    async def close(self) -> None:
        """End every session of this endpoint."""
        await self.watches.close()
        await self.queues.close()
        await self.sessions.close_all()
        await self.shared.close()

    def _connect(
        self, session_timeout_s: float, on_lost: Callable[[], None] | None = None
    ) -> AsyncSession:
        return AsyncSession(
            self.config.hosts,
            session_timeout_s=session_timeout_s,
            timeout_s=self._limits.request_timeout_s,
            connect_wait_s=self._limits.connect_wait_s,
            arguments=self.config.kazoo_arguments(),
            on_lost=on_lost,
        )


def check_password(users: Mapping[str, str], authorization: str | None) -> None:
    """Check that a request names one of `users` with its password. Without `users`, all may pass.

    Raises:
        HttpError: 401 with a challenge.
    """
    if users and not _is_user(users, authorization or ""):
        headers = {"WWW-Authenticate": 'Basic realm="Restricted"'}
        raise HttpError(401, "authentication required", headers=headers)


def _is_user(users: Mapping[str, str], authorization: str) -> bool:
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    name, _, password = given.partition(b":")
    found = False
    for user, secret in users.items():  # compare all, so that the time reveals nothing
        same_name = hmac.compare_digest(user.encode(), name)
        same_password = hmac.compare_digest(secret.encode(), password)
        found |= same_name and same_password
    return found
