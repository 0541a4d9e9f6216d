"""One session with ZooKeeper on kazoo's connection: its life, its end, and what is sent in it.

`kazoo_client` and `kazoo_connection` beside it use kazoo's private parts, so kazoo is pinned below
3. Nothing is given to kazoo while there is no connection: kazoo would send it in the next session.
"""

import _thread
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from kazoo.exceptions import AuthFailedError
from kazoo.protocol.states import KazooState, KeeperState

from zkmq.errors import ClosedError, NotAppliedError
from zkmq.zookeeper.refusal import refused_session
from zkmq.zookeeper.session.failure_detector import FailureDetector
from zkmq.zookeeper.session.kazoo_answers import Answer
from zkmq.zookeeper.session.kazoo_client import NOTICED_WITHIN_S, StoreClient
from zkmq.zookeeper.signals import Changes, Latch

# How long `close` takes at most, and at least, so that the request is sent and the thread ends.
CLOSED_WITHIN_S = 1.0
CLOSES_FOR_S = 0.25

log = logging.getLogger("zkmq")


class KazooSession:
    """The session of one client, and the next one after it ended. Thread-safe.

    Usable only in the process that made it.
    """

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._connection = client.connection
        self._process = os.getpid()
        self._closed = False
        self._ended = Latch()
        self._session: int | None = None
        self._told: int | None = None
        self._lost_callbacks: list[Callable[[int], None]] = []
        self._changes = Changes()
        # Guards what follows, so that nothing is sent after a connection was seen to end.
        self._lock = threading.Lock()
        self._is_connected = False
        self._failure: Exception | None = None
        self._detector = FailureDetector(
            lambda: self._connection.answered_s, drop=self._drop, lost=self._tell_lost
        )
        client.add_listener(self._listen)
        self._connection.on_end = self._note_failure

    def start(self) -> None:
        """Begin to connect; `wait_connected` waits for it."""
        self._client.start_async()

    @property
    def id(self) -> int | None:
        """The session's number, also while it is disconnected; None after it ended."""
        return self._session

    @property
    def credentials(self) -> tuple[int, bytes] | None:
        """The session's id and password, with which another process may take it up."""
        session = self._session
        # client_id hides it while there is no connection.
        return None if session is None else (session, self._client._session_passwd)  # noqa: SLF001

    @property
    def timeout_s(self) -> float:
        """The session's timeout that the servers granted; 0 before the first session."""
        return self._connection.granted_s

    def wait_connected(self, deadline_s: float) -> bool:
        """Wait until requests can be sent; False if that takes until the deadline.

        Raises:
            ClosedError: the store was closed, or belongs to another process.
            AccessDeniedError: the servers refused the credentials.
        """
        self._require_open()
        self._changes.wait_for(self._has_changed, deadline_s - time.monotonic())
        self._require_open()
        return self._is_connected

    def send(self, request: Any) -> Answer | None:
        """Give a request to the connection; None if there is no connection."""
        self._require_open()
        with self._lock:
            if not self._is_connected:
                return None
            answer = Answer()
            self._client.submit(request, answer)
        return answer

    def on_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call `callback` on another thread when a session has ended, or may have.

        Such a session is never used again, and is closed if a server still has it. Returns a
        function that ends the callbacks.
        """
        self._lost_callbacks.append(callback)

        def end() -> None:
            with contextlib.suppress(ValueError):  # it was called before
                self._lost_callbacks.remove(callback)

        return end

    def close(self, deadline_s: float | None = None) -> None:
        """End the session; wait for the server until the deadline, and one second at most.

        In a forked child this ends nothing, because the session is the parent's.
        """
        if self._process == os.getpid():
            left_s = math.inf if deadline_s is None else deadline_s - time.monotonic()
            self.end(max(CLOSES_FOR_S, min(left_s, CLOSED_WITHIN_S)))
        self._closed = True

    def end(self, within_s: float) -> None:
        """End the session, whoever's it is; wait for the server for so long."""
        with self._lock:
            self._closed, self._is_connected = True, False
        self._changes.tell()
        self._detector.stop()
        if self._ended.is_set:
            return

        def end_client() -> None:
            self._client.end(within_s)
            self._ended.set()

        # On a thread of its own, because a signal's handler that raises would leave kazoo half
        # ended. Not by `threading`, which waits for a thread to start, and so can be interrupted.
        try:
            _thread.start_new_thread(end_client, ())
        except RuntimeError:  # the interpreter is ending
            end_client()
        self._ended.wait(within_s + NOTICED_WITHIN_S)

    def refused(self, error: Exception) -> NotAppliedError:
        """Return what to tell of a refused session: why its connection ended, if that is known."""
        return refused_session(self._connection.failure or error)

    def _require_open(self) -> None:
        if self._process != os.getpid():
            raise ClosedError(
                f"the session belongs to process {self._process}; a forked child connects its own"
            )
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")
        if self._failure is not None:
            raise refused_session(self._failure) from self._failure

    def _has_changed(self) -> bool:
        return self._is_connected or self._closed or self._failure is not None

    def _listen(self, state: str) -> None:
        """Follow the state of the connection. kazoo's thread calls this, so it must not block."""
        if state == KazooState.CONNECTED:
            session = self._client._session_id  # noqa: SLF001 - client_id hides it here
            with self._lock:
                is_usable = session != self._told
                if is_usable:
                    self._session, self._is_connected = session, not self._closed
            if is_usable:
                self._detector.connected(session, self._connection.granted_s)
                self._changes.tell()
            else:
                # It was reported as lost while this connection began. The next one closes it.
                self._connection.drop()
            return
        self._set_connected(connected=False)
        self._detector.disconnected()
        # Requests that were sent between the break and this call get no answer.
        self._client.fail_requests()
        if state == KazooState.LOST:
            self._detector.ended()
            self._note_failure()
            self._tell_lost(self._session)

    def _note_failure(self) -> None:
        """Keep the error that ended the client for good, and wake all waiting threads."""
        if self._connection.failure is not None:
            self._failure = self._connection.failure
        elif self._client.client_state == KeeperState.AUTH_FAILED:
            self._failure = AuthFailedError()
        self._changes.tell()

    def _set_connected(self, *, connected: bool) -> None:
        with self._lock:
            self._is_connected = connected
        self._changes.tell()

    def _drop(self) -> None:
        """Break a connection that has been silent for too long, so that kazoo finds a server."""
        log.warning("no answer for two thirds of the session's timeout: reconnecting")
        self._set_connected(connected=False)
        self._connection.drop()

    def _tell_lost(self, session: int | None) -> None:
        """Report the end of a session, once. From now on it is not used, and closed if it lives."""
        with self._lock:
            if session is None or session == self._told:
                return
            self._connection.forsaken = self._told = session
            is_up = False
            if session == self._session:
                is_up, self._is_connected, self._session = self._is_connected, False, None
        if is_up:
            # A connection of the session began at this moment. The next one closes the session.
            self._connection.drop()
        for callback in list(self._lost_callbacks):
            # On another thread, because kazoo's must not wait for an application's callback.
            self._client.handler.spawn(_logged, callback, session)


def _logged(callback: Callable[[int], None], session: int) -> None:
    try:
        callback(session)
    except Exception:
        log.exception("lost: of session %#x", session)
