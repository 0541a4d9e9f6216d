"""What is news to a client that waits."""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

import pytest
from kazoo.protocol.serialization import Create, SetData
from kazoo.protocol.states import EventType, KeeperState, WatchedEvent, ZnodeStat
from starlette.datastructures import Headers
from starlette.types import Message

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.rest.http.http_errors import HttpError
from zkmq.rest.http.request_target import Query
from zkmq.rest.resources.rest_call import RestCall
from zkmq.rest.resources.znode_events import Cursor, follow
from zkmq.rest.upstream.async_session import AsyncSession
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig
from zkmq.rest.upstream.shared_watches import SharedWatches, Snapshot, View

ABSENT = Snapshot()


def state(mzxid: int, pzxid: int = 1) -> Snapshot:
    """A znode last changed at these zxids."""
    return Snapshot(ZnodeStat(1, mzxid, 0, 0, 0, 0, 0, 0, 0, 0, pzxid), b"")


@pytest.mark.parametrize(
    ("kind", "since", "now", "news"),
    [
        ("data", 5, state(6), True),
        ("data", 5, state(5), False),
        ("data", 5, state(4, 9), False),
        ("children", 5, state(9, 5), False),
        ("children", 5, state(1, 6), True),
        ("data", 0, ABSENT, True),
        ("exists", 0, ABSENT, False),
        ("exists", 5, ABSENT, True),
        ("exists", 0, state(1), True),
    ],
)
def test_since(kind: str, since: int, now: Snapshot, news: bool) -> None:  # noqa: FBT001
    """9: newer than `since` is news; so is the end of a znode the client has seen."""
    assert Cursor(kind, since).is_news(now) is news


@pytest.mark.parametrize("since", ["", "-1", "x", "\u0663", "9" * 19, "0" * 5000, "1" * 5000])
def test_a_since_that_is_no_zxid_is_refused(since: str) -> None:
    """9: it is 400, however long it is."""
    call = RestCall(
        config=GatewayConfig(endpoints=(EndpointConfig(hosts="h"),)),
        scope={},
        receive=never,
        method="GET",
        path="/znodes/v1/a",
        query=Query(f"watch=data&since={quote(since)}"),
        headers=Headers(raw=[]),
    )
    with pytest.raises(HttpError, match="expected a zxid") as caught:
        asyncio.run(follow(call, SharedWatches(cast(AsyncSession, None), most=1), "/a"))
    assert caught.value.status == 400


async def never() -> Message:
    """Have no body."""
    raise AssertionError("no body is asked for")


def test_advance() -> None:
    """9: after a state was sent, any other state is news, the same is not."""
    cursor = Cursor("data", 0)
    cursor.advance(state(7))
    assert not cursor.is_news(state(7, 99))
    assert cursor.is_news(state(8))
    assert cursor.is_news(ABSENT)
    cursor.advance(ABSENT)
    assert not cursor.is_news(ABSENT)
    assert cursor.is_news(state(7))


class FakeConnection:
    """A connection to one znode whose state and failures the test sets."""

    def __init__(self) -> None:
        self.stat: ZnodeStat | None = state(1).stat
        self.error: HttpError | None = None
        self.reads = 0
        self.can_remove = True
        self.removal: HttpError | None = None
        self.removed: list[str] = []
        self.watcher: Callable[[WatchedEvent], None] | None = None

    async def get(self, path: str, watch: Any) -> tuple[bytes, ZnodeStat]:
        """Read and watch."""
        self.reads += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        if self.stat is None:
            raise HttpError(404, path)
        self.watcher = watch
        return b"", self.stat

    async def exists(self, _path: str, watch: Any) -> ZnodeStat | None:
        """Read and watch, also what is not there."""
        self.watcher = watch
        return self.stat

    async def unwatch(self, path: str) -> bool:
        """Remove the watches on a znode."""
        await asyncio.sleep(0)
        self.removed.append(path)
        if self.removal:
            raise self.removal
        return self.can_remove

    def change(self, stat: ZnodeStat | None, path: str | None = "/a") -> None:
        """Set the state and fire the watch, as ZooKeeper does: once."""
        self.stat = stat
        watcher, self.watcher = self.watcher, None
        if watcher:
            watcher(WatchedEvent(EventType.CHANGED, KeeperState.CONNECTED, path))


async def settled() -> None:
    """Let everything happen that waits for no time, however busy the machine is."""
    for _ in range(100):
        await asyncio.sleep(0)


def test_waiters_share_a_watch() -> None:
    """9: ten waiters cost one read before and one after a change."""

    async def run() -> None:
        connection = FakeConnection()
        watches = SharedWatches(connection, most=10)  # type: ignore[arg-type]

        async def wait() -> Snapshot | None:
            async with watches.watch("/a", "data") as znode:
                return await znode.wait(Cursor("data", 1).is_news)

        waiters = [asyncio.create_task(wait()) for _ in range(10)]
        await settled()
        assert (len(watches), connection.reads) == (10, 1)
        connection.change(state(2).stat)
        states = await asyncio.gather(*waiters)
        assert {s.stat.mzxid for s in states if s and s.stat} == {2}
        assert (len(watches), connection.reads) == (0, 2)

    asyncio.run(run())


def test_lost_connection_wakes() -> None:
    """9: when the connection breaks, and the watch with it, the znode is read again."""

    async def run() -> None:
        connection = FakeConnection()
        watches = SharedWatches(connection, most=10)  # type: ignore[arg-type]
        async with watches.watch("/a", "data") as znode:
            waiter = asyncio.create_task(znode.wait(Cursor("data", 1).is_news))
            await settled()
            connection.change(state(5).stat, path=None)
            found = await waiter
        assert found is not None
        assert found.stat is not None
        assert found.stat.mzxid == 5

    asyncio.run(run())


def test_errors_reach_the_waiters() -> None:
    """9: a znode that cannot be read is an error to whoever waits for it."""

    async def run() -> None:
        connection = FakeConnection()
        connection.error = HttpError(503, "away")
        watches = SharedWatches(connection, most=10)  # type: ignore[arg-type]
        async with watches.watch("/a", "data") as znode:
            with pytest.raises(HttpError, match="away"):
                await znode.wait(lambda _: True)

    asyncio.run(run())


def test_bounds() -> None:
    """9: no more waiters than allowed, no more watches either, and none after the end."""

    async def run() -> None:
        connection = FakeConnection()
        connection.can_remove = False  # a server of ZooKeeper 3.4
        watches = SharedWatches(connection, most=2)  # type: ignore[arg-type]
        async with watches.watch("/a", "data"), watches.watch("/a", "data"):
            with pytest.raises(HttpError) as caught:
                watches.admit("/a", "data")
            assert caught.value.status == 503
        async with watches.watch("/b", "data"):
            await settled()
        async with watches.watch("/c", "data"):
            await settled()
        with pytest.raises(HttpError):  # the watches are still set: this server removes none
            watches.admit("/d", "data")
        watches.admit("/b", "data")
        await watches.close()
        with pytest.raises(HttpError):
            watches.admit("/a", "data")

    asyncio.run(run())


def test_shutting_down_wakes() -> None:
    """9: a waiter gets None when the gateway stops."""

    async def run() -> None:
        watches = SharedWatches(FakeConnection(), most=2)  # type: ignore[arg-type]
        async with watches.watch("/a", "data") as znode:
            waiter = asyncio.create_task(znode.wait(lambda _: False))
            await settled()
            watches.shut()
            assert await waiter is None

    asyncio.run(run())


def test_the_watch_that_was_unused_for_the_longest_time_makes_room() -> None:
    """9: a znode that was watched once and never changes keeps no other from being watched."""

    async def run() -> None:
        connection = FakeConnection()
        watches = SharedWatches(connection, most=3)  # type: ignore[arg-type]

        async def look(path: str, view: View = "data") -> None:
            async with watches.watch(path, view):
                await settled()

        await look("/a")
        await look("/b")
        await look("/a")  # again: it keeps its watch
        async with watches.watch("/c", "data"):
            await settled()
            for number in range(5):
                await look(f"/{number}")
        assert connection.removed == ["/b", "/a", "/0", "/1", "/2"]
        await watches.close()

    asyncio.run(run())


def test_a_removal_that_is_not_answered_ends_no_other() -> None:
    """9: new watches go on to make room, and so the server has no more than allowed again."""

    async def run() -> None:
        connection = FakeConnection()
        watches = SharedWatches(connection, most=3)  # type: ignore[arg-type]

        async def look(path: str) -> None:
            async with watches.watch(path, "data"):
                await settled()

        connection.removal = HttpError(504, "no answer")
        for path in ("/a", "/b", "/c", "/d", "/e"):
            await look(path)
        assert connection.removed == ["/a", "/b", "/c"]
        connection.removal = None
        for path in ("/f", "/g", "/h"):
            await look(path)
        assert len(watches._set) <= 3
        await watches.close()

    asyncio.run(run())


def test_a_watch_in_use_is_not_removed_with_another_of_the_same_znode() -> None:
    """9: a server removes both of a znode, so they stay as long as one has waiters."""

    async def run() -> None:
        connection = FakeConnection()
        watches = SharedWatches(connection, most=3)  # type: ignore[arg-type]
        async with watches.watch("/a", "data"):
            for path in ("/b", "/c"):
                async with watches.watch(path, "data"):
                    await settled()
            connection.change(state(9).stat, path="/b")  # which makes room
            connection.change(state(9).stat, path="/c")
        assert connection.removed == []
        await watches.close()

    asyncio.run(run())


@pytest.mark.parametrize("old", [False, True])
def test_a_session_has_no_more_watches_than_allowed(old: bool) -> None:  # noqa: FBT001
    """9: one that is watched again after its watch was removed gives news; 3.4 answers 503."""

    async def run(server: WireZooKeeper) -> list[int]:
        session = AsyncSession(
            server.address, session_timeout_s=30, timeout_s=60, connect_wait_s=60
        )
        await session.commit([Create(f"/n{number}", b"", session.acl, 0) for number in range(6)])
        watches = SharedWatches(session, most=3)
        counts = []
        for number in [0, 1, 2, 3, 4, 5, 0]:
            async with watches.watch(f"/n{number}", "data") as znode:
                assert await znode.wait(lambda _: True) is not None
            await session.exists("/n0")  # the removal was answered before
            counts.append(len(next(iter(server._connections.values())).watches))
        async with watches.watch("/n1", "data") as znode, watches.watch("/n2", "children"):
            first = await znode.wait(lambda _: True)
            assert first is not None
            assert first.stat is not None
            await session.commit([SetData("/n1", b"new", -1)])
            cursor = Cursor("data", first.stat.mzxid)
            news = await asyncio.wait_for(znode.wait(cursor.is_news), 60)
            assert news is not None
            assert news.data == b"new"
        await watches.close()
        await session.close()
        return counts

    with WireZooKeeper() as server:
        server.old = old
        if old:
            with pytest.raises(HttpError) as caught:
                asyncio.run(run(server))
            assert caught.value.status == 503
        else:
            counts = asyncio.run(run(server))
            assert max(counts) <= 3
        assert not server.errors
