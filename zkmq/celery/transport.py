"""The kombu transport: one connection is one ZooKeeper session."""

import socket
from collections import deque
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from kombu.transport import base, virtual

from zkmq import __version__
from zkmq.celery.broker_errors import BrokerUrlError, SessionLostError, UnsettledPublishError
from zkmq.celery.broker_session import BrokerSession
from zkmq.celery.broker_url import (
    DEFAULT_PATH,
    DEFAULT_PORT,
    EXAMPLE,
    SCHEME,
    BrokerOptions,
    BrokerUrl,
)
from zkmq.celery.channel import BrokerChannel
from zkmq.celery.deliveries import Delivery
from zkmq.errors import (
    AccessDeniedError,
    ClosedError,
    IncompatibleTreeError,
    NoQuorumError,
    OutcomeUnknownError,
    ServerRefusedError,
)

# How many messages one event of the loop delivers before others get their turn.
MOST_AT_ONCE = 100


class Transport(virtual.Transport):  # type: ignore[misc]
    """Connects kombu to a ZooKeeper ensemble.

    The session is the connection. ZooKeeper's pings are its heartbeat, and when it ends, whatever
    the connection holds goes to other consumers: at once if it was closed, and after the session
    timeout if its process died.
    """

    Channel = BrokerChannel
    # What opens the session; tests replace it.
    _open = BrokerSession.connect
    can_parse_url = True
    default_port = DEFAULT_PORT
    driver_type = "zkmq"
    driver_name = "zkmq"
    # A lost connection is opened again by the store. These say that it stayed away, or that the
    # session is over.
    recoverable_connection_errors = (
        *virtual.Transport.connection_errors, NoQuorumError, SessionLostError, ClosedError,
    )  # fmt: skip
    connection_errors = (*recoverable_connection_errors, AccessDeniedError)
    recoverable_channel_errors = (OutcomeUnknownError,)
    channel_errors = (
        *virtual.Transport.channel_errors, OutcomeUnknownError, UnsettledPublishError,
        IncompatibleTreeError, ServerRefusedError,
    )  # fmt: skip
    implements = base.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"]), heartbeats=True
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.url = _url_of(client)
        self.options = BrokerOptions.read(client.transport_options)
        self._session: BrokerSession | None = None
        self._inbox: deque[tuple[BrokerChannel, Delivery]] = deque()
        self._error: BaseException | None = None
        self._was_told = False
        self._loop: Any = None
        self._pair: tuple[socket.socket, socket.socket] | None = None

    # The connection

    def establish_connection(self) -> "Transport":
        """Open a session.

        Raises:
            NoQuorumError: no session within kombu's connect_timeout.
            AccessDeniedError: the servers refused the credentials.
        """
        self._end()
        timeout_s = float(self.client.connect_timeout or self.options.deadline_s)
        session = self._session = self._open(self.url, self.options, timeout_s)
        self._error, self._was_told = None, False
        self._came = session.store.signal()
        self._forget_lost = session.store.on_session_lost(self._lose_session)
        return self

    def close_connection(self, connection: Any) -> None:
        """Give back what is held and end the session. In a forked child this ends nothing."""
        if self._session is not None and self._session.is_open:
            for channel in list(self.channels):
                channel.close()
            self._end()

    def verify_connection(self, connection: Any) -> bool:
        """Whether kombu may go on with the session; it opens another one if not, and tells nobody.

        So a session that is over counts as there until somebody who consumes was told: only then
        does he begin to consume again.
        """
        if self._session is None or not self._session.is_open:
            return False
        consumes = any(channel.has_consumers for channel in list(self.channels))
        return self._error is None or (consumes and not self._was_told)

    def create_channel(self, connection: Any) -> BrokerChannel:
        """Make a channel."""
        channel = BrokerChannel(self)
        self.channels.append(channel)
        return channel

    def get_heartbeat_interval(self, connection: Any) -> float:
        """How often Celery asks whether the session lives; ZooKeeper's client does the pings."""
        return self.options.session_timeout_s

    def heartbeat_check(self, connection: Any, rate: int = 2) -> None:
        """Raise what ended the connection, if it has ended.

        Raises:
            SessionLostError: the session is over.
        """
        self._require_alive()

    def driver_version(self) -> str:
        """The version of zkmq."""
        return __version__

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:  # noqa: FBT001, FBT002 - kombu's signature
        """The URL for people, without its password."""
        return self.url.masked(mask, include_password=include_password)

    @property
    def session(self) -> BrokerSession:
        """The session.

        Raises:
            ClosedError: the connection is closed.
        """
        if self._session is None:
            raise ClosedError("the connection is closed; connect a new one")
        return self._session

    # Deliveries

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message; wait for it.

        Raises:
            TimeoutError: none came in time.
            SessionLostError: the session is over; what it held goes to others.
        """
        store = self.session.store
        until_s = float("inf") if timeout is None else store.now() + timeout
        while True:
            self._require_alive()
            if self._deliver_next():
                return
            if not self._inbox:
                if store.now() >= until_s:
                    raise TimeoutError("timed out")
                self._came.wait(min(until_s, store.now() + self.options.session_timeout_s))

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let an event loop deliver what comes."""
        self._pair = socket.socketpair()
        for end in self._pair:
            end.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self._loop = loop
        loop.add_reader(self._pair[0], self.on_readable, connection, loop)
        self._notify()

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Leave the event loop."""
        if self._pair is not None:
            self._loop.remove_reader(self._pair[0])
            pair, self._pair = self._pair, None
            for end in pair:
                end.close()

    def on_readable(self, connection: Any, loop: Any) -> None:
        """Deliver what has come.

        Raises:
            SessionLostError: the session is over.
        """
        if self._pair is None:
            return
        with suppress(BlockingIOError):
            self._pair[0].recv(4096)
        for _ in range(MOST_AT_ONCE):
            self._require_alive()
            if not self._inbox:
                return
            self._deliver_next()
        self._notify()

    def arrived(self, channel: BrokerChannel, delivery: Delivery) -> None:
        """Note a message that came for a channel, from any thread."""
        self._inbox.append((channel, delivery))
        self._notify()

    def fail(self, error: BaseException) -> None:
        """Let whoever drains this connection get an error that ends it, from any thread."""
        if self._error is None:
            self._error = error
        for channel in list(self.channels):
            channel.stop_taking()
        self._notify()

    def _require_alive(self) -> None:
        if self._error is not None:
            self._was_told = True
            raise self._error

    def _deliver_next(self) -> bool:
        try:
            channel, delivery = self._inbox.popleft()
        except IndexError:
            return False
        return channel.deliver(delivery)

    def _notify(self) -> None:
        self._came.set()
        pair = self._pair
        if pair is not None:
            with suppress(OSError):  # full, so the loop has news already; or closed
                pair[1].send(b"\0")

    def _lose_session(self, _: int) -> None:
        self.fail(
            SessionLostError(
                "the session has ended: no server answered for its timeout, or it was closed; "
                "what this connection held goes to other consumers"
            )
        )

    def _end(self) -> None:
        session, self._session = self._session, None
        if self._loop is not None:
            self.unregister_from_event_loop(self, self._loop)
        self._inbox.clear()
        if session is not None:
            self._forget_lost()
            session.close()


def _url_of(client: Any) -> BrokerUrl:
    """Read where the broker is from a kombu connection, which has a URL or its parts."""
    if len(client.alt) > 1:
        raise BrokerUrlError(
            f"broker URL: expected one, with commas between the servers ({EXAMPLE}), "
            f"got {len(client.alt)}"
        )
    if "://" in (client.hostname or ""):
        return BrokerUrl.parse(client.hostname)
    hosts = f"{client.hostname or 'localhost'}:{client.port or DEFAULT_PORT}"
    user = ""
    if client.userid:
        user = f"{quote(client.userid, safe='')}:{quote(client.password or '', safe='')}@"
    path = (client.virtual_host or "").strip("/") or DEFAULT_PATH.strip("/")
    return BrokerUrl.parse(f"{SCHEME}{user}{hosts}/{path}")
