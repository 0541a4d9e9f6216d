"""The store on a real ZooKeeper, through kazoo's connection.

The store uses kazoo only for the session (`kazoo_session`) and the connection. It does not use
`client.retry`, which resends writes without a limit, nor transactions, which hide their errors, nor
`get()` without a timeout, which can wait for ever.
"""

import logging
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

from kazoo.exceptions import AuthFailedError, UnimplementedError

from zkmq.errors import BadArgumentError, NoQuorumError
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.retries import may_retry
from zkmq.zookeeper.security import Security
from zkmq.zookeeper.session import wire
from zkmq.zookeeper.session.consistent_reads import Seen, View, one_state, permitted
from zkmq.zookeeper.session.kazoo_answers import (
    Answer,
    PendingMulti,
    awaited,
    require_retryable,
    watcher,
    without_node,
)
from zkmq.zookeeper.session.kazoo_client import StoreClient, make_client
from zkmq.zookeeper.session.kazoo_session import KazooSession
from zkmq.zookeeper.signals import ThreadSignal
from zkmq.zookeeper.store import Code, Denied, Lost, Op, Read, ReadResult, Reply, Watcher, Znode

READ_AGAIN_PAUSE_S = 0.02

log = logging.getLogger("zkmq")


class KazooStore:
    """One ZooKeeper client: a `Store`. Thread-safe; usable only in the process that made it.

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
        self._session = KazooSession(client)
        self._patience_s = patience_s
        self._multi_read = multi_read
        self._told_of_old = False
        self._acl = wire.encode_acl(client.default_acl or Security.OPEN_ACL)
        self._chroot: str = client.chroot or ""

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
            self._session.start()
            self._require_root(deadline_s)
        except BaseException:
            self._session.end(0.0)
            raise

    @property
    def session_id(self) -> int | None:
        return self._session.id

    @property
    def credentials(self) -> tuple[int, bytes] | None:
        """The session's id and password, with which another process may take it up."""
        return self._session.credentials

    @property
    def timeout_s(self) -> float:
        """The session's timeout that the servers granted; 0 before the first session."""
        return self._session.timeout_s

    def submit(self, ops: Sequence[Op]) -> PendingMulti:
        return PendingMulti(
            self._session.send(wire.Multi(ops, self._acl, self._chroot)), self._longest_s()
        )

    def weigh(self, ops: Sequence[Op]) -> int:
        return wire.multi_bytes(ops, self._acl, self._chroot)

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi once, as soon as there is a connection, and wait for its answer."""
        while True:
            reply = self.submit(ops).reply(deadline_s)
            if not isinstance(reply, Lost) or reply.sent or not self.wait_connected(deadline_s):
                return reply

    def wait_connected(self, deadline_s: float) -> bool:
        return self._session.wait_connected(deadline_s)

    def list(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> list[str] | None:
        request = wire.ChildrenRequest(self._chroot + path, watcher(watch))
        names = permitted(path, self._ask(request, deadline_s).value, denied)
        return names if isinstance(names, list) else None

    def exists(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> Znode | None:
        request = wire.StatRequest(self._chroot + path, watcher(watch))
        node = self._ask(request, deadline_s)
        if isinstance(node, Seen):
            permitted(path, node.value, denied)
        return node if isinstance(node, Znode) else None

    def read_many(
        self, reads: Sequence[Read], deadline_s: float, *, denied: Denied | None = None
    ) -> ReadResult:
        if not reads:
            return ReadResult([], None)
        if self._multi_read:
            try:
                view = self._ask(wire.MultiRead(reads, self._chroot), deadline_s)
            except UnimplementedError:
                self._take_note_of_old()
            else:
                if not isinstance(view, View):
                    raise refusal(reads[0].path, "read", Code.NO_AUTH)
                return view.result(reads, denied)
        return one_state(lambda: self._read_each(reads, deadline_s)).result(reads, denied)

    def sync(self, path: str, deadline_s: float) -> None:
        self._ask(wire.SyncRequest(self._chroot + path), deadline_s)

    def signal(self) -> ThreadSignal:
        return ThreadSignal()

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        return self._session.on_lost(callback)

    def close(self, deadline_s: float | None = None) -> None:
        self._session.close(deadline_s)

    def _require_root(self, deadline_s: float) -> None:
        if not self.wait_connected(deadline_s):
            raise NoQuorumError("connect: no session in time")
        if self._chroot and self.exists("", deadline_s) is None:
            raise BadArgumentError(
                f"connect: hosts: expected the chroot {self._chroot} to exist, found no such "
                "node; create it, or leave it out"
            )

    def _longest_s(self) -> float:
        return self.timeout_s if self._patience_s is None else self._patience_s

    def _ask(self, request: Any, deadline_s: float) -> Any:
        """Send a read, and resend it until it is answered."""
        return self._answer(self._session.send(request), request, deadline_s)

    def _answer(self, result: Answer | None, request: Any, deadline_s: float) -> Any:
        while True:
            timeout_s = max(0.0, min(deadline_s - time.monotonic(), self._longest_s()))
            value, error = awaited(result, timeout_s)
            if error is None:
                return value
            if (nothing := without_node(error)) is not None:
                return nothing
            if isinstance(error, UnimplementedError):
                raise error
            if isinstance(error, AuthFailedError):
                raise self._session.refused(error) from error
            require_retryable(error)
            self._pause(error, deadline_s)
            result = self._session.send(request)

    def _pause(self, error: Exception, deadline_s: float) -> None:
        time.sleep(READ_AGAIN_PAUSE_S)
        if not may_retry(self, deadline_s):
            raise NoQuorumError(f"read: no answer in time ({type(error).__name__})") from error

    def _read_each(self, reads: Sequence[Read], deadline_s: float) -> Sequence[Seen]:
        """Send one request for each read, pipelined, for servers before 3.6."""
        requests = [wire.single_read(read, self._chroot) for read in reads]
        results = [self._session.send(request) for request in requests]
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
