"""kazoo's client as the store needs it: threads, reconnects, log, and an end in bounded time."""

import atexit
import logging
import select
import socket
import time
from typing import Any

from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.hosts import collect_hosts
from kazoo.protocol.serialization import CloseInstance
from kazoo.retry import KazooRetry

from zkmq import checks
from zkmq.errors import BadArgumentError
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session import tls
from zkmq.zookeeper.session.kazoo_connection import DiscreetConnection, StoreConnection

# How long `end` waits for a thread to notice that its connection was dropped.
NOTICED_WITHIN_S = 0.15

log = logging.getLogger("zkmq")
# Without a handler, Python would print a library's warnings to stderr.
log.addHandler(logging.NullHandler())
logging.getLogger("kazoo").addHandler(logging.NullHandler())

# How kazoo's texts about attempts to connect begin.
ATTEMPTS = ("Connecting to ", "Connection dropped: ", "Connection time-out: ", "Cannot resolve ")
SAME_TEXT_S = 60.0
MOST_TEXTS = 1000
KAZOO_LOG = logging.getLogger("zkmq.kazoo")


class KazooLogFilter(logging.Filter):
    """Leaves out sessions' passwords, which kazoo writes below DEBUG, and most of its attempts.

    kazoo tells of each attempt to connect, one a second for as long as no server answers. The same
    text is shown once in `SAME_TEXT_S`, or always if the logger's level is DEBUG.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show a record."""
        if record.levelno < logging.DEBUG:
            return False
        if not str(record.msg).startswith(ATTEMPTS) or KAZOO_LOG.isEnabledFor(logging.DEBUG):
            return True
        text, now_s = record.getMessage(), time.monotonic()
        if now_s - self._shown_s.get(text, -SAME_TEXT_S) < SAME_TEXT_S:
            return False
        if len(self._shown_s) >= MOST_TEXTS:
            self._shown_s.clear()
        self._shown_s[text] = now_s
        return True


def kazoo_logger() -> logging.Logger:
    """The logger of kazoo's clients."""
    KAZOO_LOG.addFilter(_kazoo_filter)
    return KAZOO_LOG


_kazoo_filter = KazooLogFilter()


class StoreHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads, without the epoll object that kazoo makes and closes for each request."""

    # How long one server may take to accept. The session has to last until another one is tried.
    accept_s: float | None = None

    def start(self) -> None:
        """Start the threads, so that a process, or its forked child, exits without waiting."""
        super().start()
        atexit.unregister(self.stop)

    def select(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for sockets. Descriptors above 1023, which select cannot take, wait as in kazoo."""
        try:
            return select.select(*args, **kwargs)
        except ValueError:
            return super().select(*args, **kwargs)

    def create_socket_pair(self) -> tuple[socket.socket, socket.socket]:
        """Make the non-blocking pair that wakes the connection's thread."""
        pair: tuple[socket.socket, socket.socket] = super().create_socket_pair()
        for end in pair:
            end.setblocking(False)  # noqa: FBT003 - the socket's own signature
        return pair

    def create_connection(self, **kwargs: Any) -> Any:
        """Connect to a server within `accept_s`."""
        if self.accept_s is not None:
            kwargs["timeout"] = self.accept_s
        return tls.connect(super().create_connection, **kwargs)


class StoreClient(KazooClient):  # type: ignore[misc]
    """kazoo's client on a StoreConnection. `submit` never blocks, and `end` takes bounded time."""

    def __init__(self, *, sasl_options: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._connection = StoreConnection(
            self, self._conn_retry.copy(), logger=self.logger, sasl_options=sasl_options
        )

    @property
    def connection(self) -> StoreConnection:
        """The handler of the client's connections."""
        return self._connection

    def submit(self, request: Any, result: Any) -> None:
        """Send a request. `result` gets the answer, if one comes. Never blocks."""
        self._queue.append((request, result))
        self._connection.wake()

    def fail_requests(self) -> None:
        """Fail all pending requests, which will not be answered any more."""
        self._notify_pending(self._state)

    def end(self, within_s: float) -> None:
        """Close the session. If no server answers in time, the session expires later.

        A second call waits as the first one does.
        """
        if not self._stopped.is_set():
            self._stopped.set()
            self.submit(CloseInstance, None)
        stopped = self._connection.connection_stopped
        if not stopped.wait(max(0.0, within_s - NOTICED_WITHIN_S)):
            self._connection.drop()
            stopped.wait(NOTICED_WITHIN_S)
        self.handler.stop()
        self._connection.abandon()


def keep_passwords(client: KazooClient) -> None:
    """Keep passwords out of the log of a client of kazoo's that has not connected yet."""
    made = client._connection  # noqa: SLF001 - kazoo has no other way to choose it
    client._connection = DiscreetConnection(  # noqa: SLF001
        client, made.retry_sleeper, logger=client.logger, sasl_options=made.sasl_options
    )


def make_client(
    hosts: str,
    session_timeout_s: float,
    security: Security,
    session: tuple[int, bytes] | None = None,
    *,
    retry: KazooRetry | None = None,
) -> StoreClient:
    """Make a client that has not connected yet; `session` is an existing one to take up.

    Raises:
        BadArgumentError: `hosts` cannot be parsed, or `security` needs what is not here.
    """
    hosts = _hosts(hosts)
    checks.seconds("connect: session_timeout_s", session_timeout_s, zero=False)
    security.require_packages()
    client = StoreClient(
        hosts=hosts,
        timeout=session_timeout_s,
        client_id=session,
        handler=StoreHandler(),
        connection_retry=retry or KazooRetry(max_tries=-1, delay=0.05, backoff=2, max_delay=1.0),
        logger=kazoo_logger(),
        **security.kazoo_arguments(),
    )
    client.handler.accept_s = session_timeout_s / len(client.hosts)
    return client


def _hosts(hosts: str) -> str:
    """Remove spaces around commas, and check the syntax."""
    try:
        tidy = ",".join(part.strip() for part in hosts.split(","))
        collect_hosts(tidy)
    except (ValueError, AttributeError, TypeError) as error:  # also what is no text, as a list
        raise BadArgumentError(
            f"connect: hosts: expected host:port,host:port/chroot, got {hosts!r} ({error})"
        ) from error
    return tidy
