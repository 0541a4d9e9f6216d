"""REST sessions: each is one ZooKeeper session, kept alive by heartbeats (rest.md 5)."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.statuses import RETRY
from zkmq.rest.upstream.async_session import AsyncSession

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RestSession:
    """An open session. `expiry` is the timer that a heartbeat restarts."""

    id: str
    expire_s: float
    connection: AsyncSession
    expiry: asyncio.TimerHandle | None = None


class RestSessions:
    """The open sessions of one endpoint, in this process only.

    `connect` makes the ZooKeeper session of a new REST session. Its arguments are the timeout, and
    the function to call when ZooKeeper ends the session.
    """

    def __init__(
        self, connect: Callable[[float, Callable[[], None]], AsyncSession], *, most: int
    ) -> None:
        self._connect = connect
        self._most = most
        self._open: dict[str, RestSession] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def __getitem__(self, session_id: str) -> RestSession:
        """Return an open session.

        Raises:
            KeyError: unknown, expired or closed.
        """
        return self._open[session_id]

    async def open(self, expire_s: float) -> RestSession:
        """Open a session, and wait for ZooKeeper.

        Raises:
            HttpError: 503, too many sessions, or ZooKeeper is not reachable.
        """
        if len(self._open) >= self._most:
            raise HttpError(503, f"sessions: at most {self._most} at a time", headers=RETRY)
        session_id = str(uuid.uuid4())
        connection = self._connect(max(expire_s, 1), lambda: self._expire(session_id))
        session = RestSession(session_id, expire_s, connection)
        self._open[session_id] = session
        try:
            await connection.ready("sessions")
        except BaseException:
            self._expire(session_id)
            raise
        self._restart_clock(session)
        return session

    def beat(self, session_id: str) -> None:
        """Restart a session's expiry timer.

        Raises:
            KeyError: unknown, expired or closed.
        """
        self._restart_clock(self._open[session_id])

    async def close(self, session_id: str) -> None:
        """End a session if it is open. When this returns, its ephemeral znodes are gone.

        Raises:
            TimeoutError: ZooKeeper did not confirm. It expires the session later.
        """
        session = self._forget(session_id)
        if session:
            await session.connection.close()

    async def close_all(self) -> None:
        """End all sessions, at once, and wait until they have ended."""
        for session_id in list(self._open):
            self._expire(session_id)
        await asyncio.gather(*self._closing)

    def _restart_clock(self, session: RestSession) -> None:
        if session.expiry:
            session.expiry.cancel()
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(session.expire_s, self._expire, session.id)

    def _forget(self, session_id: str) -> RestSession | None:
        session = self._open.pop(session_id, None)
        if session and session.expiry:
            session.expiry.cancel()
        return session

    def _expire(self, session_id: str) -> None:
        session = self._forget(session_id)
        if session:
            task = asyncio.get_running_loop().create_task(self._close_quietly(session.connection))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close_quietly(self, connection: AsyncSession) -> None:
        try:
            await connection.close()
        except TimeoutError as error:
            _log.warning("session left to expire in ZooKeeper: %s", error)
