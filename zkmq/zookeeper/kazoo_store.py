"""The store on a real ZooKeeper, through kazoo's connection.

The store uses kazoo only for the session and the connection. It does not use `client.retry`, which
resends writes without a limit, nor transactions, which hide their errors, nor `get()` without a
timeout, which can wait for ever. `zkmq.zookeeper.kazoo_client` and
`zkmq.zookeeper.kazoo_connection` use kazoo's private parts, so kazoo is pinned below 3. The store
gives kazoo no request while there is no connection: kazoo would send it in the next session.
"""

import _thread
import contextlib
import logging
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kazoo.exceptions import AuthFailedError, UnimplementedError
from kazoo.protocol.states import KazooState, KeeperState

from zkmq.errors import BadArgumentError, ClosedError, NoQuorumError
from zkmq.zookeeper import wire
from zkmq.zookeeper.consistent_reads import Seen, one_state
from zkmq.zookeeper.failure_detector import FailureDetector
from zkmq.zookeeper.kazoo_answers import (
    Answer,
    PendingMulti,
    absent,
    awaited,
    require_retryable,
    watcher,
)
from zkmq.zookeeper.kazoo_client import NOTICED_WITHIN_S, StoreClient, make_client
from zkmq.zookeeper.refusal import refused_session
from zkmq.zookeeper.retries import may_retry
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.signals import Changes, Latch, ThreadSignal
from zkmq.zookeeper.store import Lost, Op, Read, ReadResult, Reply, Watcher, Znode

READ_AGAIN_PAUSE_S = 0.02
# How long `close` takes at most, and at least, so that the request is sent and the thread ends.
CLOSED_WITHIN_S = 1.0
CLOSES_FOR_S = 0.25

log = logging.getLogger("zkmq")


class KazooStore:
    """One ZooKeeper client. Thread-safe; usable only in the process that made it.

    `patience_s` is how long one request may wait for its answer, by default the timeout that the
    servers grant. `multi_read=False` sends one read at a time, which servers before 3.6 need.
    """

    def __init__(
        self, client: StoreClient, *, patience_s: float | None = None, multi_read: bool = True
    ) -> None:
        if not isinstance(client, StoreClient):
            raise BadArgumentError(
                f"KazooStore: client: expected one that zkmq made, got {type(client).__name__}; "
                "call KazooStore.connect(hosts), which opens a session of its own"
            )
        self._client = client
        self._connection = client.connection
        self._patience_s = patience_s
        self._multi_read = multi_read
        self._told_of_old = False
        self._acl = wire.encode_acl(client.default_acl or Security.OPEN_ACL)
        self._chroot: str = client.chroot or ""
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

    @classmethod
    def connect(
        cls,
        hosts: str,
        *,
        session_timeout_s: float = 10.0,
        connect_timeout_s: float = 15.0,
        security: Security | None = None,
        multi_read: bool = True,
        session: tuple[int, bytes] | None = None,
    ) -> "KazooStore":
        """Open a session; `hosts` as in `host:port,host:port/chroot`.

        `session` is the `credentials` of another process, whose session is taken up. If that has
        ended, a new one is opened.

        Raises:
            BadArgumentError: `hosts` cannot be parsed, or the chroot does not exist.
            NoQuorumError: no session within `connect_timeout_s`; at once if the certificate of
                each server is refused.
            AccessDeniedError: the servers refused the credentials, or this client's certificate.
        """
        client = make_client(hosts, session_timeout_s, security or Security(), session)
        store = cls(client, multi_read=multi_read)
        try:
            store.start(time.monotonic() + connect_timeout_s)
        except NoQuorumError as error:
            ca = security.ca if security else None
            tls = (
                f" Do they speak TLS there, with a certificate of {ca} for that name?" if ca else ""
            )
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise NoQuorumError(f"connect: {hosts}: {error}.{tls}") from error
            raise NoQuorumError(
                f"connect: {hosts}: expected a session within {connect_timeout_s:.1f} s, got none; "
                f"are a majority of the servers up, and the addresses right?{tls}"
            ) from error
        return store

    def start(self, deadline_s: float) -> None:
        """Connect, and check that the chroot exists.

        Raises:
            BadArgumentError: the chroot does not exist.
            NoQuorumError: no answer before the deadline.
            AccessDeniedError: the servers refused the credentials.
        """
        try:
            self._client.start_async()
            self._require_root(deadline_s)
        except BaseException:
            self._end(0.0)
            raise

    @property
    def session_id(self) -> int | None:
        """The session, also while it is disconnected; None after it ended."""
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

    def submit(self, ops: Sequence[Op]) -> PendingMulti:
        """Send a multi without waiting for its answer."""
        return PendingMulti(self._send(wire.Multi(ops, self._acl, self._chroot)), self._longest_s())

    def weigh(self, ops: Sequence[Op]) -> int:
        """The length of a multi's request in bytes."""
        return wire.multi_bytes(ops, self._acl, self._chroot)

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi once, as soon as there is a connection, and wait for its answer."""
        while True:
            reply = self.submit(ops).reply(deadline_s)
            if not isinstance(reply, Lost) or reply.sent or not self.wait_connected(deadline_s):
                return reply

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

    def list(self, path: str, deadline_s: float, watch: Watcher | None = None) -> list[str] | None:
        """The children of a node, in no order; None if there is no such node."""
        request = wire.ChildrenRequest(self._chroot + path, watcher(watch))
        names: list[str] | None = self._ask(request, deadline_s).value
        return names

    def exists(self, path: str, deadline_s: float, watch: Watcher | None = None) -> Znode | None:
        """The stat of a node, with empty data; None if there is no such node."""
        request = wire.StatRequest(self._chroot + path, watcher(watch))
        node = self._ask(request, deadline_s)
        return node if isinstance(node, Znode) else None

    def read_many(self, reads: Sequence[Read], deadline_s: float) -> ReadResult:
        """Read several nodes at one state, in one request if the server can."""
        if not reads:
            return ReadResult([], None)
        if self._multi_read:
            try:
                view = self._ask(wire.MultiRead(reads, self._chroot), deadline_s)
            except UnimplementedError:
                self._take_note_of_old()
            else:
                assert isinstance(view, ReadResult)
                return view
        return one_state(lambda: self._read_each(reads, deadline_s))

    def sync(self, path: str, deadline_s: float) -> None:
        """Make the connected server catch up with the leader."""
        self._ask(wire.SyncRequest(self._chroot + path), deadline_s)

    def signal(self) -> ThreadSignal:
        """Make a signal for one waiting thread."""
        return ThreadSignal()

    def now(self) -> float:
        """CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep in the calling thread."""
        time.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
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
            self._end(max(CLOSES_FOR_S, min(left_s, CLOSED_WITHIN_S)))
        self._closed = True

    def _require_root(self, deadline_s: float) -> None:
        if not self.wait_connected(deadline_s):
            raise NoQuorumError("connect: no session in time")
        if self._chroot and self.exists("", deadline_s) is None:
            raise BadArgumentError(
                f"connect: hosts: expected the chroot {self._chroot} to exist, found no such "
                "node; create it, or leave it out"
            )

    def _end(self, within_s: float) -> None:
        with self._lock:
            self._closed, self._is_connected = True, False
        self._changes.tell()
        self._detector.stop()
        if self._ended.is_set:
            return

        def end() -> None:
            self._client.end(within_s)
            self._ended.set()

        # On a thread of its own, because a signal's handler that raises would leave kazoo half
        # ended. Not by `threading`, which waits for a thread to start, and so can be interrupted.
        try:
            _thread.start_new_thread(end, ())
        except RuntimeError:  # the interpreter is ending
            end()
        self._ended.wait(within_s + NOTICED_WITHIN_S)

    def _send(self, request: Any) -> Answer | None:
        """Give a request to the connection; None if there is no connection."""
        self._require_open()
        with self._lock:
            if not self._is_connected:
                return None
            answer = Answer()
            self._client.submit(request, answer)
        return answer

    def _longest_s(self) -> float:
        return self._connection.granted_s if self._patience_s is None else self._patience_s

    def _ask(self, request: Any, deadline_s: float) -> Any:
        """Send a read, and resend it until it is answered.

        Raises:
            NoQuorumError: no answer before the deadline.
        """
        return self._answer(self._send(request), request, deadline_s)

    def _answer(self, result: Answer | None, request: Any, deadline_s: float) -> Any:
        while True:
            timeout_s = max(0.0, min(deadline_s - time.monotonic(), self._longest_s()))
            value, error = awaited(result, timeout_s)
            if error is None:
                return value
            if (nothing := absent(error)) is not None:
                return nothing
            if isinstance(error, UnimplementedError):
                raise error
            if isinstance(error, AuthFailedError):
                raise refused_session(self._connection.failure or error) from error
            require_retryable(error)
            self._pause(error, deadline_s)
            result = self._send(request)

    def _pause(self, error: Exception, deadline_s: float) -> None:
        time.sleep(READ_AGAIN_PAUSE_S)
        if not may_retry(self, deadline_s):
            raise NoQuorumError(f"read: no answer in time ({type(error).__name__})") from error

    def _read_each(self, reads: Sequence[Read], deadline_s: float) -> Sequence[Seen]:
        """Send one request for each read, pipelined, for servers before 3.6."""
        requests = [wire.single_read(read, self._chroot) for read in reads]
        results = [self._send(request) for request in requests]
        return [
            self._answer(result, request, deadline_s)
            for result, request in zip(results, requests, strict=True)
        ]

    def _take_note_of_old(self) -> None:
        """Log once that a server is older than 3.6. The next one may be newer."""
        if not self._told_of_old:
            self._told_of_old = True
            log.warning(
                "a server is older than 3.6: it answers one read at a time, so a look takes "
                "several, and is repeated until all of it holds at one state"
            )

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
            self._session = session
            self._detector.connected(session, self._connection.granted_s)
            self._set_connected(connected=not self._closed)
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
        if session is None or session == self._told:
            return
        self._connection.forsaken = self._told = session
        self._session = None
        for callback in list(self._lost_callbacks):
            # On another thread, because kazoo's must not wait for an application's callback.
            self._client.handler.spawn(_logged, callback, session)


def _logged(callback: Callable[[int], None], session: int) -> None:
    try:
        callback(session)
    except Exception:
        log.exception("lost: of session %#x", session)
