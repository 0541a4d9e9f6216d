"""Watches for HTTP clients. One ZooKeeper watch serves any number of waiters (rest.md 9)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from kazoo.protocol.states import WatchedEvent

from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.representations import Stat
from zkmq.rest.http.statuses import RETRY
from zkmq.rest.upstream.async_session import AsyncSession, Watcher

View = Literal["data", "children"]
Key = tuple[View, str]
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last state that was read of a watched znode. `stat` is None if there was no znode."""

    stat: Stat | None = None
    data: bytes | None = None
    children: tuple[str, ...] = ()


class SharedWatches:
    """The znodes on which HTTP clients wait, on one ZooKeeper session.

    kazoo cannot remove a watch. So a watch without waiters stays until it fires or the connection
    breaks. Therefore there is one callback per view, which kazoo keeps once per znode, and `most`
    limits the armed watches as well as the waiters.
    """

    def __init__(self, connection: AsyncSession, *, most: int) -> None:
        self._connection = connection
        self._most = most
        self._watched: dict[Key, WatchedZnode] = {}
        self._set: set[Key] = set()
        self._callbacks: dict[View, Watcher] = {
            "data": partial(self._fire, "data"),
            "children": partial(self._fire, "children"),
        }
        self._closing = False

    def __len__(self) -> int:
        return sum(znode.waiters for znode in self._watched.values())

    def admit(self, path: str, view: View) -> None:
        """Check that one more waiter is allowed.

        Raises:
            HttpError: 503, too many waiters, or the gateway is shutting down.
        """
        full = len(self) >= self._most or len(self._set | {(view, path)}) > self._most
        if self._closing or full:
            raise HttpError(503, f"{path} watches: at most {self._most} at a time", headers=RETRY)

    @asynccontextmanager
    async def watch(self, path: str, view: View) -> AsyncIterator["WatchedZnode"]:
        """Watch a znode for as long as the context lasts.

        Raises:
            HttpError: as for `admit`.
        """
        self.admit(path, view)
        key = (view, path)
        self._set.add(key)
        znode = self._watched.get(key)
        if znode is None:
            znode = WatchedZnode(self._connection, path, view, self._callbacks[view])
            self._watched[key] = znode
        znode.waiters += 1
        try:
            yield znode
        finally:
            znode.waiters -= 1
            if not znode.waiters:
                del self._watched[key]
                await znode.stop()

    def shut(self) -> None:
        """Wake every waiter for the last time: the gateway is shutting down."""
        self._closing = True
        for znode in self._watched.values():
            znode.shut()

    async def close(self) -> None:
        """Wake every waiter, and stop reading znodes."""
        self.shut()
        for znode in list(self._watched.values()):
            await znode.stop()

    def _fire(self, view: View, event: WatchedEvent) -> None:
        if event.path is None:  # the connection broke, and every watch with it
            fired = [key for key in self._set if key[0] == view]
        else:
            fired = [(view, event.path)]
        self._set.difference_update(key for key in fired if key not in self._watched)
        for key in fired:
            if key in self._watched:
                self._watched[key].fire()


class WatchedZnode:
    """The latest state of one znode, read again after each event.

    Each read arms the watch for the next one, so no event is lost between them. A slow waiter
    misses states, as with ZooKeeper's own watches.
    """

    def __init__(self, connection: AsyncSession, path: str, view: View, callback: Watcher) -> None:
        self.waiters = 0
        self._connection = connection
        self._path = path
        self._callback = callback
        self._read = self._read_data if view == "data" else self._read_children
        self._state: Snapshot | HttpError | None = None
        self._changed = asyncio.Event()
        self._fired = asyncio.Event()
        self._shut = False
        self._reader = asyncio.get_running_loop().create_task(self._follow())

    async def wait(self, news: Callable[[Snapshot], bool]) -> Snapshot | None:
        """Wait for a state for which `news` is true; None if the gateway is shutting down.

        Raises:
            HttpError: the znode could not be read.
        """
        while not self._shut:
            changed = self._changed
            if isinstance(self._state, HttpError):
                raise self._state
            if self._state is not None and news(self._state):
                return self._state
            await changed.wait()
        return None

    def fire(self) -> None:
        """Read the znode again, because its watch fired."""
        self._fired.set()

    def shut(self) -> None:
        """Wake the waiters for the last time: their `wait` returns None."""
        self._shut = True
        self._changed.set()

    async def stop(self) -> None:
        """Cancel the task that reads the znode."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            self._fired.clear()
            try:
                state: Snapshot | HttpError = await self._read()
            except HttpError as error:
                state = error
            self._publish(state)
            if isinstance(state, HttpError):
                await asyncio.sleep(_RETRY_S)
            else:
                await self._fired.wait()

    def _publish(self, state: Snapshot | HttpError) -> None:
        self._state = state
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _read_data(self) -> Snapshot:
        try:
            data, stat = await self._connection.get(self._path, self._callback)
        except HttpError as error:
            return await self._absent(error)
        return Snapshot(stat, data)

    async def _read_children(self) -> Snapshot:
        try:
            names, stat = await self._connection.children(self._path, self._callback)
        except HttpError as error:
            return await self._absent(error)
        return Snapshot(stat, children=tuple(sorted(names)))

    async def _absent(self, error: HttpError) -> Snapshot:
        if error.status != 404:
            raise error
        if await self._connection.exists(self._path, self._callback):
            self._fired.set()  # it was created in between, so read it again at once
        return Snapshot()
