"""kazoo's client as the store wants it: its threads, its retries of a connection, its log."""

import logging
import select
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler
from kazoo.hosts import collect_hosts
from kazoo.retry import KazooRetry

from zkmq.errors import BadArgumentError
from zkmq.security import Security

log = logging.getLogger("zkmq")
# Silent unless the application asks: Python would print warnings of a library to stderr.
log.addHandler(logging.NullHandler())
logging.getLogger("kazoo").addHandler(logging.NullHandler())


class Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads, without the epoll object it makes and closes several times a request."""

    def select(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for sockets."""
        try:
            return select.select(*args, **kwargs)
        except ValueError:  # a descriptor above 1023, which select() cannot take
            return super().select(*args, **kwargs)


def make_client(
    hosts: str, session_timeout_s: float, security: Security, session: tuple[int, bytes] | None
) -> KazooClient:
    """A client that has not connected yet; `session` is one to take up.

    Raises:
        BadArgumentError: no such thing as these `hosts`.
    """
    _demand_hosts(hosts)
    return KazooClient(
        hosts=hosts,
        timeout=session_timeout_s,
        client_id=session,
        handler=Handler(),
        connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=2, max_delay=1.0),
        logger=logging.getLogger("zkmq.kazoo"),
        **security.kazoo_arguments(),
    )


def _demand_hosts(hosts: str) -> None:
    try:
        collect_hosts(hosts)
    except ValueError as error:
        raise BadArgumentError(
            f"connect: hosts: expected host:port,host:port/chroot, got {hosts!r} ({error})"
        ) from error


def knows_multi_read(client: KazooClient) -> bool:
    """Whether the server connected to is 3.6 or later, by the only command on by default."""
    try:
        answer = client.command(b"srvr")
    except (OSError, KazooException, KazooTimeoutError, AttributeError):
        return False
    _, _, rest = answer.partition("Zookeeper version: ")
    version = rest.split("-")[0].split(",")[0].split(".")
    return len(version) >= 2 and tuple(map(int, version[:2])) >= (3, 6)
