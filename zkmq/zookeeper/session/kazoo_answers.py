"""Turn the answers of kazoo's connection into those of the store.

A failed request is returned, not raised. So an exception in a waiting thread comes from a signal's
handler of the application, and is never mistaken for an answer.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import AuthFailedError, KazooException, NoAuthError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import WatchedEvent

from zkmq.zookeeper.refusal import is_refusal, refusal, refused_session
from zkmq.zookeeper.session.consistent_reads import Refusal, Seen
from zkmq.zookeeper.signals import Latch
from zkmq.zookeeper.store import Code, Lost, Rejected, Reply, Watcher

log = logging.getLogger("zkmq")


class Answer:
    """The answer to one request, which the connection's thread gives and one thread waits for.

    Has what kazoo's connection uses of an AsyncResult. kazoo's own takes its lock in Python, where
    a signal's handler that raises leaves it locked: the connection's thread would wait for it for
    ever, and the client would never get another answer.
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.exception: Exception | None = None
        self._came = Latch()

    def set(self, value: Any = None) -> None:
        """Give the value; one that is an exception is the reason for which there is none."""
        if isinstance(value, Exception):
            self.exception = value
        else:
            self.value = value
        self._came.set()

    def set_exception(self, exception: Exception) -> None:
        """Give the reason for which there is no value."""
        self.exception = exception
        self._came.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the answer; return whether there is one."""
        return self._came.wait(timeout_s)


class NotConnectedError(Exception):
    """There was no connection, so the request was not sent."""


def awaited(result: Answer | None, timeout_s: float) -> tuple[Any, Exception | None]:
    """Wait for an answer; return its value, or why there is none. None was not sent."""
    if result is None:
        return None, NotConnectedError("there is no connection")
    if not result.wait(timeout_s):
        return None, KazooTimeoutError(f"no reply within {timeout_s:.1f} s")
    return result.value, result.exception


class PendingMulti:
    """A multi in flight, which waits at most `longest_s` for its answer."""

    def __init__(self, result: Answer | None, longest_s: float) -> None:
        self.result = result
        self.longest_s = longest_s

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer until `deadline_s`; then it is Lost."""
        timeout_s = max(0.0, min(deadline_s - time.monotonic(), self.longest_s))
        value, error = awaited(self.result, timeout_s)
        if error is not None:
            return _without_results(error)
        (reply,) = value
        assert isinstance(reply, Reply)
        return reply


def _without_results(error: Exception) -> Reply:
    """The reply to a multi that was refused as a whole, or not answered."""
    if isinstance(error, AuthFailedError):
        raise refused_session(error) from error
    code = getattr(error, "code", 0)
    if is_refusal(code):
        return Rejected(0, Code.NO_AUTH if code == Code.NO_AUTH.value else Code.OTHER, code)
    if not isinstance(error, KazooException | KazooTimeoutError | NotConnectedError):
        log.warning("commit: an unexpected error instead of an answer: %r", error)
    return Lost(str(error) or type(error).__name__, sent=not isinstance(error, NotConnectedError))


def without_node(error: Exception) -> Seen | None:
    """Turn an error that is about the node into an answer; None for any other error.

    Such an error says that there is no such node, or that its ACL refused the read.
    """
    zxid = getattr(error, "zxid", None)
    if isinstance(error, NoNodeError):
        return Seen(None, zxid)
    return Seen(Refusal.DENIED, zxid) if isinstance(error, NoAuthError) else None


def require_retryable(error: Exception) -> None:
    """Raise if a retry of a read would fail for the same reason.

    Raises:
        AccessDeniedError: the servers want clients that authenticate by SASL.
        ServerRefusedError: the servers refused by a rule of their own.
    """
    code = getattr(error, "code", 0)
    if is_refusal(code):
        raise refusal("read", type(error).__name__, Code.OTHER, code) from error


def watcher(watch: Watcher | None) -> Callable[[WatchedEvent], None] | None:
    """Wrap a watcher for kazoo, which calls it with an event."""
    if watch is None:
        return None
    called = watch

    def on_event(_: WatchedEvent) -> None:
        called()

    return on_event
