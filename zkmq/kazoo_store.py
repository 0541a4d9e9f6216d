"""The store on a real ZooKeeper, through kazoo's connection.

kazoo keeps the session and the connection; nothing else of it is used: `client.retry` resends
what may not be sent twice, and for ever; transactions hide their errors; a `get()` without a
time-out can wait for ever. Private parts used: `client._call`, which sends any request object
(kazoo is pinned below 3 for that).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    KazooException,
    NoAuthError,
    NoNodeError,
    WriterNotClosedException,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState, WatchedEvent

from zkmq import wire
from zkmq.errors import AccessDeniedError, ClosedError, NoQuorumError
from zkmq.kazoo_client import knows_multi_read, make_client
from zkmq.security import Security
from zkmq.signals import ThreadSignal
from zkmq.store import Lost, Node, Op, Read, Reply, View, Watcher

READ_AGAIN_PAUSE_S = 0.02
# kazoo pings every third of the time-out, so that the last reply was a third ago, or two.
SILENCE_LEFT = 2 / 3


class _Pending:
    """A multi on its way."""

    def __init__(self, result: Any, longest_s: float) -> None:
        self._result = result
        self._longest_s = longest_s

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer."""
        timeout_s = max(0.0, min(deadline_s - time.monotonic(), self._longest_s))
        try:
            (reply,) = self._result.get(timeout=timeout_s)
        except KazooTimeoutError:
            return Lost(f"no reply within {timeout_s:.1f} s")
        except (AuthFailedError, NoAuthError) as error:
            raise AccessDeniedError(f"commit: {error!r}") from error
        except KazooException as error:
            return Lost(type(error).__name__)
        assert isinstance(reply, Reply)
        return reply


class KazooStore:
    """One ZooKeeper client. Thread-safe."""

    def __init__(self, client: KazooClient, *, session_timeout_s: float, multi_read: bool) -> None:
        self._client = client
        self._session_timeout_s = session_timeout_s
        self._multi_read = multi_read
        self._acl = wire.encode_acl(client.default_acl or Security.OPEN_ACL)
        self._chroot: str = client.chroot or ""
        self._closed = False
        self._connected = threading.Event()
        self._session: int | None = None
        self._silence: threading.Timer | None = None
        self._lost_callbacks: list[Callable[[int], None]] = []
        self._lock = threading.Lock()
        client.add_listener(self._listen)

    @classmethod
    def connect(
        cls,
        hosts: str,
        *,
        session_timeout_s: float = 10.0,
        connect_timeout_s: float = 15.0,
        security: Security | None = None,
        multi_read: bool | None = None,
        session: tuple[int, bytes] | None = None,
    ) -> "KazooStore":
        """Open a session; `hosts` as in `host:port,host:port/chroot`.

        `multi_read` says whether every server is 3.6 or later; None asks the one connected to.
        `session` takes up another process's, as `credentials` gave it; a new one if it has ended.

        Raises:
            BadArgumentError: no such thing as these `hosts`.
            NoQuorumError: no session within `connect_timeout_s`.
            AccessDeniedError: the servers refused the credentials.
        """
        client = make_client(hosts, session_timeout_s, security or Security(), session)
        store = cls(client, session_timeout_s=session_timeout_s, multi_read=bool(multi_read))
        try:
            client.start(timeout=connect_timeout_s)
        except AuthFailedError as error:
            raise AccessDeniedError(f"connect: {hosts}: the credentials were refused") from error
        except (KazooTimeoutError, KazooException) as error:
            ca = security.ca if security else None
            tls = (
                f" Do they speak TLS there, with a certificate of {ca} for that name?" if ca else ""
            )
            raise NoQuorumError(
                f"connect: {hosts}: expected a session within {connect_timeout_s} s, got none; "
                f"are a majority of the servers up, and the addresses right?{tls}"
            ) from error
        if multi_read is None:
            store._multi_read = knows_multi_read(client)
        return store

    @property
    def session_id(self) -> int | None:
        """The session, also while it is disconnected; None after its end."""
        return self._session

    @property
    def credentials(self) -> tuple[int, bytes] | None:
        """The session's id and password, with which another process may take it up."""
        session = self._session
        # client_id hides it while there is no connection.
        return None if session is None else (session, self._client._session_passwd)  # noqa: SLF001

    def submit(self, ops: Sequence[Op]) -> _Pending:
        """Send a multi without waiting."""
        return _Pending(
            self._send(wire.Multi(ops, self._acl, self._chroot)), self._session_timeout_s
        )

    def weigh(self, ops: Sequence[Op]) -> int:
        """The length of a multi's request."""
        return wire.multi_bytes(ops, self._acl, self._chroot)

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi once and wait."""
        return self.submit(ops).reply(deadline_s)

    def wait_connected(self, deadline_s: float) -> bool:
        """Wait for a connection."""
        self._demand_open()
        return self._connected.wait(max(0.0, deadline_s - time.monotonic()))

    def list(self, path: str, deadline_s: float, watch: Watcher | None = None) -> list[str] | None:
        """Children of a node."""
        request = wire.ChildrenRequest(self._chroot + path, _watcher(watch))
        answer = self._ask(request, deadline_s)
        return answer[0] if answer else None

    def exists(self, path: str, deadline_s: float, watch: Watcher | None = None) -> Node | None:
        """Stat of a node."""
        request = wire.StatRequest(self._chroot + path, _watcher(watch))
        node = self._ask(request, deadline_s)
        assert node is None or isinstance(node, Node)
        return node

    def read_many(self, reads: Sequence[Read], deadline_s: float) -> View:
        """Several reads, at one state if every server is 3.6 or later."""
        if not reads:
            return View([], None)
        if self._multi_read:
            view = self._ask(wire.MultiRead(reads, self._chroot), deadline_s)
            assert isinstance(view, View)
            return view
        return self._read_each(reads, deadline_s)

    def sync(self, path: str, deadline_s: float) -> None:
        """Catch up with the leader."""
        self._ask(wire.SyncRequest(self._chroot + path), deadline_s)

    def signal(self) -> ThreadSignal:
        """Make a signal."""
        return ThreadSignal()

    def now(self) -> float:
        """CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call on a thread of its own when a session has ended; returns what ends that."""
        self._lost_callbacks.append(callback)
        return lambda: self._lost_callbacks.remove(callback)

    def close(self) -> None:
        """End the session; waits for the server at most some seconds."""
        if self._closed:
            return
        self._closed = True
        self._hush()
        # A connection stuck in a connect attempt cannot be joined in time; its thread is a
        # daemon and ends with that attempt.
        with contextlib.suppress(WriterNotClosedException, OSError, AttributeError):
            self._client.stop()
        with contextlib.suppress(Exception):
            self._client.close()

    def _send(self, request: Any) -> Any:
        self._demand_open()
        result = self._client.handler.async_result()
        self._client._call(request, result)  # noqa: SLF001 - see the module's docstring
        return result

    def _ask(self, request: Any, deadline_s: float) -> Any:
        """Read until answered; None if there is no such node."""
        return self._answer(self._send(request), request, deadline_s)

    def _answer(self, result: Any, request: Any, deadline_s: float) -> Any:
        while True:
            timeout_s = max(0.0, min(deadline_s - time.monotonic(), self._session_timeout_s))
            try:
                return result.get(timeout=timeout_s)
            except NoNodeError:
                return None
            except (AuthFailedError, NoAuthError, wire.ReadRefusedError) as error:
                raise AccessDeniedError(f"read: {error!r}") from error
            except (KazooTimeoutError, KazooException) as error:
                if isinstance(error, ConnectionClosedError):
                    self._demand_open()
                self._pause(error, deadline_s)
            result = self._send(request)

    def _pause(self, error: Exception, deadline_s: float) -> None:
        time.sleep(READ_AGAIN_PAUSE_S)
        if time.monotonic() >= deadline_s or not self.wait_connected(deadline_s):
            raise NoQuorumError(f"read: no answer in time ({type(error).__name__})") from error

    def _read_each(self, reads: Sequence[Read], deadline_s: float) -> View:
        """The same for servers before 3.6, pipelined; one state only if nothing was written."""
        requests = [wire.single_read(read, self._chroot) for read in reads]
        results = [self._send(request) for request in requests]
        answers = [
            self._answer(result, request, deadline_s)
            for result, request in zip(results, requests, strict=True)
        ]
        zxids = {answer[1] for answer in answers if answer}
        one_state = len(zxids) == 1 and all(answers)
        return View(
            [answer[0] if answer else None for answer in answers],
            zxids.pop() if one_state else None,
        )

    def _demand_open(self) -> None:
        if self._closed:
            raise ClosedError("the queue was closed; connect a new one")

    def _listen(self, state: str) -> None:
        """Called by kazoo's connection thread; must not block."""
        self._hush()
        if state == KazooState.CONNECTED:
            self._session = self._client._session_id  # noqa: SLF001 - client_id hides it here
            self._connected.set()
            return
        self._connected.clear()
        session = self._session
        if state == KazooState.LOST:
            self._session = None
            self._tell_lost(session)
        elif not self._closed:
            # kazoo reports an expiry only once a server tells it; a client that is cut off
            # has to conclude it from its own clock.
            left_s = self._session_timeout_s * SILENCE_LEFT
            self._silence = threading.Timer(left_s, self._tell_lost, [session])
            self._silence.daemon = True
            self._silence.start()

    def _hush(self) -> None:
        with self._lock:
            timer, self._silence = self._silence, None
        if timer is not None:
            timer.cancel()

    def _tell_lost(self, session: int | None) -> None:
        if session is None:
            return
        for callback in list(self._lost_callbacks):
            # kazoo's own thread must not wait for what an application does in here.
            self._client.handler.spawn(callback, session)


def _watcher(watch: Watcher | None) -> Callable[[WatchedEvent], None] | None:
    if watch is None:
        return None
    called = watch

    def on_event(_: WatchedEvent) -> None:
        called()

    return on_event
