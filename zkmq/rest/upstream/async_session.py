"""One ZooKeeper session for asyncio, with kazoo's asynchronous calls as awaitables."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import WriterNotClosedException
from kazoo.handlers.threading import AsyncResult
from kazoo.protocol.states import KazooState, KeeperState, WatchedEvent
from kazoo.security import OPEN_ACL_UNSAFE

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.representations import Stat
from zkmq.rest.http.statuses import http_error, not_connected
from zkmq.rest.upstream.blocking_calls import BlockingCalls
from zkmq.rest.upstream.kazoo_io import LoopHandler
from zkmq.rest.upstream.remove_watches_request import (
    NO_WATCHER,
    UNIMPLEMENTED,
    RemoveWatchesRequest,
)
from zkmq.rest.upstream.transaction_request import TransactionRequest
from zkmq.zookeeper.session.kazoo_client import kazoo_logger, keep_passwords

Watcher = Callable[[WatchedEvent], None]


class AsyncSession:
    """One ZooKeeper session, which opens at first use and reconnects by itself.

    Paths are relative to the chroot of `hosts`. Every call may raise `HttpError`: 503 if there is
    no connection within `connect_wait_s`, 504 if there is no answer within `timeout_s`. No request
    is sent twice. Use a session only in the event loop in which it was made.
    """

    def __init__(
        self,
        hosts: str,
        *,
        session_timeout_s: float,
        timeout_s: float,
        connect_wait_s: float,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox(self._loop)
        self._threads = BlockingCalls()
        self._timeout_s = timeout_s
        self._connect_wait_s = connect_wait_s
        self._on_lost = on_lost
        self._connected = asyncio.Event()
        self._started = False
        self.connects = 0
        self._client = KazooClient(
            hosts=hosts,
            timeout=session_timeout_s,
            handler=LoopHandler(self._loop),
            connection_retry={"max_tries": -1, "delay": 0.1, "max_delay": 2.0},
            logger=kazoo_logger(),
            **arguments,
        )
        keep_passwords(self._client)
        self._client.add_listener(self._on_state)

    @property
    def connected(self) -> bool:
        """Whether the session is connected at this moment."""
        return bool(self._client.connected)

    async def ready(self, subject: str = "") -> None:
        """Wait until connected, at most `connect_wait_s`. Starts the session if need be.

        Raises:
            HttpError: 503, not connected in time.
        """
        if self._client.connected:
            return
        self._start()
        try:
            async with asyncio.timeout(self._connect_wait_s):
                await self._connected.wait()
        except TimeoutError as error:
            raise not_connected(subject) from error

    async def get(self, path: str, watch: Watcher | None = None) -> tuple[bytes | None, Stat]:
        """Read a znode's data and metadata."""
        data, stat = await self._ask(path, self._client.get_async, path, watch)
        return data, stat

    async def exists(self, path: str, watch: Watcher | None = None) -> Stat | None:
        """Read a znode's metadata; None if there is no such znode."""
        stat: Stat | None = await self._ask(path, self._client.exists_async, path, watch)
        return stat

    async def children(self, path: str, watch: Watcher | None = None) -> tuple[list[str], Stat]:
        """Read the names of a znode's children, in no order, and its metadata."""
        list_children = partial(self._client.get_children_async, include_data=True)
        names, stat = await self._ask(path, list_children, path, watch)
        return names, stat

    async def set(self, path: str, data: bytes | None, version: int) -> Stat:
        """Set a znode's data, if it has this version; -1 is any version."""
        stat: Stat = await self._change(path, self._client.set_async, path, data, version)
        return stat

    async def delete(self, path: str, version: int) -> None:
        """Delete a znode without children, if it has this version; -1 is any version."""
        await self._change(path, self._client.delete_async, path, version)

    async def create(
        self, path: str, data: bytes | None, *, ephemeral: bool, sequence: bool
    ) -> str:
        """Create a znode and return its real path."""
        # kazoo takes these positionally as: acl, ephemeral, sequence.
        arguments = (path, data, None, ephemeral, sequence)
        created: str = await self._change(path, self._client.create_async, *arguments)
        return created

    async def commit(self, operations: Sequence[Any]) -> list[Any]:
        """Run kazoo's request objects as one transaction; return results or errors, in order."""
        request = TransactionRequest(tuple(operations))
        results: list[Any] = await self._change("transaction", self._send, request)
        return results

    async def unwatch(self, path: str) -> bool:
        """Let the server forget this session's watches on a znode.

        A watch that is armed after the call began stays. Returns False if the server cannot remove
        watches (ZooKeeper 3.4). If it did not answer, the watches may still be there.
        """
        if not self._client.connected:
            return True  # the watches ended with the connection
        request = RemoveWatchesRequest(self._client, self.rooted(path))
        try:
            await self._change(path, self._send, request)
        except HttpError as error:
            code = getattr(error.__cause__, "code", None)
            if code == UNIMPLEMENTED:
                return False
            # With the connection, which 503 says is lost, the watches are lost as well.
            if error.status != 503 and code != NO_WATCHER:
                raise
        return True

    @property
    def acl(self) -> Any:
        """The ACL of the znodes that it creates."""
        return self._client.default_acl or OPEN_ACL_UNSAFE

    def rooted(self, path: str) -> str:
        """Return a path as the server knows it, for the request objects of `commit`."""
        return f"{self._client.chroot}{path}".rstrip("/") or "/"

    async def close(self) -> None:
        """End the session. When this returns, its ephemeral znodes are gone.

        Raises:
            TimeoutError: ZooKeeper did not confirm in time. It expires the session later.
        """
        if not self._started:
            return
        self._client.remove_listener(self._on_state)
        async with asyncio.timeout(self._timeout_s):
            confirmed = await self._threads.run(self._stop)
        if not confirmed:
            raise TimeoutError("ZooKeeper did not confirm the end of the session")

    def _start(self) -> None:
        # Not twice: kazoo would block until its running thread has ended.
        if not self._started:
            self._started = True
            self._client.start_async()

    def _stop(self) -> bool:
        """End the session; return whether ZooKeeper confirmed it."""
        states: list[str] = []
        self._client.add_listener(states.append)
        connected = self._client.connected
        with contextlib.suppress(WriterNotClosedException):  # then the end is not confirmed
            self._client.stop()
            self._client.close()
        # If the connection had broken before the answer, kazoo would have told SUSPENDED first.
        return connected and states == [KazooState.LOST]

    def _on_state(self, state: str) -> None:  # called by kazoo's thread
        self._mailbox.post(self._changed, state)

    def _changed(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self.connects += 1
            self._connected.set()
            return
        self._connected.clear()
        if self._client.client_state in _ENDED:
            self._started = False
        if state == KazooState.LOST and self._on_lost:
            self._on_lost()

    def _send(self, request: Any) -> AsyncResult:
        result = self._client.handler.async_result()
        self._client._call(request, result)  # noqa: SLF001 - as kazoo's own transaction does
        return result

    async def _change(self, subject: str, call: Callable[..., Any], *arguments: Any) -> Any:
        return await self._ask(subject, call, *arguments, changes=True)

    async def _ask(
        self, subject: str, call: Callable[..., Any], *arguments: Any, changes: bool = False
    ) -> Any:
        await self.ready(subject)
        future: asyncio.Future[Any] = self._loop.create_future()
        deadline = self._loop.call_later(self._timeout_s, _time_out, future)
        try:
            call(*arguments).rawlink(lambda result: self._mailbox.post(_settle, future, result))
            return await future
        except Exception as error:
            raise http_error(error, subject, changes=changes) from error
        finally:
            deadline.cancel()


class Mailbox:
    """Passes calls from kazoo's threads to the loop, and wakes the loop once for several calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Any, ...]] = deque()
        self._woken = False

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call `function` in the loop, from any thread. Dropped once the loop is closed."""
        self._calls.append((function, *arguments))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._woken = False  # first, so that no later post is missed
        while self._calls:
            function, *arguments = self._calls.popleft()
            function(*arguments)


_ENDED = (KeeperState.CLOSED, KeeperState.AUTH_FAILED)


def _time_out(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _settle(future: asyncio.Future[Any], result: AsyncResult) -> None:
    if future.done():  # timed out, or the HTTP client went away
        return
    if result.exception is None:
        future.set_result(result.value)
    else:
        future.set_exception(result.exception)
