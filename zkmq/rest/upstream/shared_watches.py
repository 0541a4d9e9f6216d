"""Watches for HTTP clients. One ZooKeeper watch serves any number of waiters (rest.md 9)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The last state that was read of a watched znode. `stat` is None if there was no znode."""

    stat: Stat | None = None
    data: bytes | None = None
    children: tuple[str, ...] = ()


class SharedWatches:
    """The znodes on which HTTP clients wait, on one ZooKeeper session.

    `most` limits the waiters, and the watches that servers keep for this session. A watch without
    waiters stays until it fires, since clients that poll come back to it. If there are `most`, the
    one that was not used for the longest time is removed for each new one. There is one callback
    per view, which kazoo keeps once per znode.
    """

    def __init__(self, connection: AsyncSession, *, most: int) -> None:
        self._connection = connection
        self._most = most
        self._watched: dict[Key, WatchedZnode] = {}
        # The watches that servers may have for this session, and those of them without waiters, the
        # longest unused first.
        self._set: set[Key] = set()
        self._unused: dict[Key, None] = {}
        # Whether the server removes watches. One of 3.4 does not.
        self._can_remove = True
        self._removing: set[asyncio.Task[None]] = set()
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
        is_new = (view, path) not in self._set and len(self._set) >= self._most
        full = len(self) >= self._most or (is_new and self._oldest() is None)
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
        # Twice, so that there are no more than `most` again some time after a removal that was not
        # answered.
        for _ in range(2):
            is_full = key not in self._set and len(self._set) >= self._most
            if is_full and self._oldest() is not None:
                self._give_up_oldest()
        self._set.add(key)
        self._unused.pop(key, None)
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
                if key in self._set:
                    self._unused[key] = None
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
        for task in list(self._removing):
            task.cancel()

    def _oldest(self) -> str | None:
        """The znode whose watches were unused for the longest time; None if none can be removed."""
        if not self._can_remove:
            return None
        free = (path for _, path in self._unused if not any(map(self._watched.get, _keys(path))))
        return next(free, None)

    def _give_up_oldest(self) -> None:
        """Let the server forget a znode without waiters."""
        path = self._oldest()
        assert path is not None  # `admit` made sure
        keys = [key for key in _keys(path) if key in self._set]
        self._forget(keys)
        # The tasks of later waiters start after this one, so they send their requests after it.
        task = asyncio.get_running_loop().create_task(self._remove(path, keys))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def _remove(self, path: str, keys: Sequence[Key]) -> None:
        try:
            if await self._connection.unwatch(path):
                return
            self._can_remove = False
        except HttpError as error:
            _log.warning("watches: not removed, tried again later: %s", error)
        self._set.update(keys)
        self._unused.update((key, None) for key in keys if key not in self._watched)

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._set.discard(key)
            self._unused.pop(key, None)

    def _fire(self, view: View, event: WatchedEvent) -> None:
        if event.path is None:  # the connection broke, and every watch with it
            fired = [key for key in self._set if key[0] == view]
            self._can_remove = True  # the next server may be newer
        else:
            fired = [(view, event.path)]
        self._forget(key for key in fired if key not in self._watched)
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


def _keys(path: str) -> list[Key]:
    return [("data", path), ("children", path)]
