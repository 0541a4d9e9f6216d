"""Answers of kazoo's connection, as the store hands them out.

Nothing is raised where a thread waits but what a signal's handler raises there: that is the
application's, and never taken for an answer.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import AuthFailedError, KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import WatchedEvent

from zkmq.errors import AccessDeniedError
from zkmq.zookeeper.consistent_reads import Seen
from zkmq.zookeeper.refusal import is_refusal, refusal
from zkmq.zookeeper.store import Code, Lost, Rejected, Reply, Watcher

log = logging.getLogger("zkmq")


class NotConnectedError(Exception):
    """There was no connection to send a request on."""


def awaited(result: Any, timeout_s: float) -> tuple[Any, Exception | None]:
    """Wait for an answer: its value, or why there is none. `result` is None if it was not sent."""
    if result is None:
        return None, NotConnectedError("there is no connection")
    if not result.wait(timeout_s):
        return None, KazooTimeoutError(f"no reply within {timeout_s:.1f} s")
    return result.value, result.exception


class PendingMulti:
    """A multi on its way; `longest_s` is how long it may wait for its answer."""

    def __init__(self, result: Any, longest_s: float) -> None:
        self.result = result
        self.longest_s = longest_s

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer."""
        timeout_s = max(0.0, min(deadline_s - time.monotonic(), self.longest_s))
        value, error = awaited(self.result, timeout_s)
        if error is not None:
            return _without_results(error)
        (reply,) = value
        assert isinstance(reply, Reply)
        return reply


def _without_results(error: Exception) -> Reply:
    """What a multi came to that has no results."""
    if isinstance(error, AuthFailedError):
        raise AccessDeniedError(f"commit: {error!r}") from error
    code = getattr(error, "code", 0)
    if is_refusal(code):
        return Rejected(0, Code.NO_AUTH if code == Code.NO_AUTH.value else Code.OTHER, code)
    if not isinstance(error, KazooException | KazooTimeoutError | NotConnectedError):
        log.warning("commit: an answer that makes no sense: %r", error)
    return Lost(str(error) or type(error).__name__, sent=not isinstance(error, NotConnectedError))


def absent(error: Exception) -> Seen | None:
    """The answer of a server that has no such node."""
    return Seen(None, getattr(error, "zxid", None)) if isinstance(error, NoNodeError) else None


def demand_retryable(error: Exception) -> None:
    """Raise what asking again would not change.

    Raises:
        AccessDeniedError: the servers refused the credentials.
        ServerRefusedError: they refused by a rule of their own.
    """
    code = getattr(error, "code", 0)
    if isinstance(error, AuthFailedError) or code == Code.NO_AUTH.value:
        raise AccessDeniedError(f"read: {error!r}") from error
    if is_refusal(code):
        raise refusal("read", type(error).__name__, Code.OTHER, code) from error


def watcher(watch: Watcher | None) -> Callable[[WatchedEvent], None] | None:
    """What kazoo calls when a watch fires."""
    if watch is None:
        return None
    called = watch

    def on_event(_: WatchedEvent) -> None:
        called()

    return on_event
