"""The asyncio queue with real threads, on a server in memory."""

import asyncio
import os
import threading
from contextlib import aclosing, suppress
from typing import Any
from unittest import mock

import pytest

import zkmq
from worlds.wire.zookeeper import WireZooKeeper
from zkmq.aio import AsyncItem, Queue, WrongLoopError
from zkmq.aio.taking_lane import TakingLane
from zkmq.errors import (
    BadArgumentError,
    ClosedError,
    ConsumerLostError,
    NoQuorumError,
    NotHeldError,
    QueueFullError,
    ValueTooLargeError,
    WorkerStuckError,
)
from zkmq.tree.item import Hold
from zkmq.zookeeper.call_lock import CallLock
from zkmq.zookeeper.session.kazoo_store import KazooStore

WITHIN_S = 60.0


def _writes(server: WireZooKeeper) -> int:
    with server.leader_now() as leader:
        return len(leader.log)


def test_it_has_all_operations() -> None:
    """Every public method and property of the synchronous queue is there."""
    ours, theirs = ({n for n in dir(kind) if n[0] != "_"} for kind in (Queue, zkmq.Queue))
    assert theirs - ours == {"edition"}


def test_a_thousand_puts_share_writes_in_order(run: Any, server: WireZooKeeper) -> None:
    """1,000 concurrent puts take few writes, and stand in the queue in the order of the calls."""

    async def body(queue: Queue) -> None:
        await queue.put(b"first")
        before = _writes(server)
        puts = await asyncio.gather(*(queue.put(b"%d" % number) for number in range(1000)))
        assert _writes(server) - before < 20
        assert [put.name for put in puts] == sorted(str(put.name) for put in puts)
        assert len({put.name for put in puts}) == 1000

    run(body)


def test_a_thousand_reserves_wait_and_each_gets_one_item(run: Any) -> None:
    """1,000 tasks wait; 1,000 items come; who waited first gets first."""

    async def body(queue: Queue) -> None:
        async def take() -> bytes:
            (item,) = (await queue.reserve(timeout_s=WITHIN_S)).items
            await queue.done(item)
            return item.data

        takers = [asyncio.ensure_future(take()) for _ in range(1000)]
        await asyncio.sleep(0.1)
        await queue.put_many([b"%d" % number for number in range(1000)])
        assert await asyncio.gather(*takers) == [b"%d" % number for number in range(1000)]
        assert (await queue.stats()).held == 0

    run(body)


def test_acknowledgements_share_writes(run: Any, server: WireZooKeeper) -> None:
    """100 tasks that acknowledge at once, and take the next, need a few writes."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"%d" % number for number in range(200)])
        items = (await queue.reserve(100)).items
        before = _writes(server)
        found = await asyncio.gather(*(queue.reserve(done=[item]) for item in items))
        assert _writes(server) - before < 8
        assert all(each.done for each in found)
        assert {item.hold for item in items} == {Hold.DONE}
        assert len({each.items[0].data for each in found}) == 100

    run(body)


def test_what_fails_for_one_fails_for_it_alone(run: Any) -> None:
    """A lost item, a bad value, and a full queue harm no other call of the group."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"a", b"b", b"c"])
        items = (await queue.reserve(3)).items
        await queue.release(items[1])
        told = await asyncio.gather(*map(queue.done, items), return_exceptions=True)
        assert isinstance(told[1], NotHeldError)
        assert [items[0].hold, items[2].hold] == [Hold.DONE, Hold.DONE]
        puts = await asyncio.gather(
            queue.put(b"d"),
            queue.put(b"x" * 1_000_001),
            queue.put_many([b"no"] * 6),
            queue.put(b"h"),
            return_exceptions=True,
        )
        assert isinstance(puts[1], ValueTooLargeError)
        assert isinstance(puts[2], QueueFullError)  # also if the backlog is estimated anew
        assert [each.data for each in await queue.peek(5)] == [b"b", b"d", b"h"]

    run(body, max_items=6)


def test_close_ends_every_call(run: Any) -> None:
    """A reserve that waits ends with a ClosedError; so does every later call, of any kind."""
    waiting: list[asyncio.Task[Any]] = []

    async def body(queue: Queue) -> Queue:
        waiting.append(asyncio.ensure_future(queue.reserve(timeout_s=float("inf"))))
        await asyncio.sleep(0.1)
        await asyncio.gather(queue.close(), queue.close())
        for call in (queue.put(b""), queue.reserve(), queue.stats(), queue.resolve()):
            with pytest.raises(ClosedError):
                await call
        with pytest.raises(ClosedError):
            queue.consume()
        with pytest.raises(ClosedError):
            await waiting[0]
        return queue

    before = set(threading.enumerate())
    run(body)
    left = [each for each in threading.enumerate() if each not in before]
    for thread in left:
        if thread.name.startswith("zkmq"):
            thread.join(WITHIN_S)
            assert not thread.is_alive(), thread.name


def test_items_of_a_cancelled_reserve_go_to_the_next(run: Any) -> None:
    """What is claimed while its task is cancelled goes to another task, or back to its place."""
    came = threading.Event()
    found = TakingLane._found

    def slow(self: TakingLane, calls: Any, reservation: Any) -> None:
        if reservation.items:
            came.set()
        found(self, calls, reservation)

    async def body(queue: Queue) -> None:
        first = asyncio.ensure_future(queue.reserve(timeout_s=WITHIN_S))
        await asyncio.sleep(0.1)
        with mock.patch.object(TakingLane, "_found", slow):
            await queue.put(b"one")
            await asyncio.to_thread(came.wait, WITHIN_S)
            first.cancel()
            await asyncio.wait([first])
        items = () if first.cancelled() else first.result().items
        if not items:
            items = (await queue.reserve(timeout_s=WITHIN_S)).items
        assert [(item.data, item.delivery) for item in items] == [(b"one", 1)]

    run(body)


def test_a_cancelled_done_is_told_by_the_next(run: Any) -> None:
    """`done` again, after one that was cancelled under way, tells that it took effect."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve()).items
        call = asyncio.ensure_future(queue.done(item))
        while item.hold is Hold.HELD and not call.done():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        assert (await queue.done(item)).zxid is not None or not call.cancelled()

    run(body)


@pytest.mark.parametrize("earlier", [False, True])
def test_an_end_that_fails_after_its_block_was_cancelled_gives_the_item_back(
    run: Any,
    earlier: bool,  # noqa: FBT001 - parametrized
) -> None:
    """The task is gone when `done` fails, so nobody else could give the item back."""
    asked, may_fail = threading.Semaphore(0), threading.Event()

    def fail(*_: object) -> None:
        asked.release()
        may_fail.wait(WITHIN_S)
        raise NoQuorumError("not sent")

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve()).items

        async def work() -> None:
            async with item:
                if earlier:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(queue.done(item), 0.2)

        with mock.patch.object(queue._queue, "done", fail):
            task = asyncio.ensure_future(work())
            await asyncio.to_thread(asked.acquire)
            await asyncio.sleep(0.4 if earlier else 0.0)  # the earlier call's time is over
            for _ in range(100):  # until the block waits for its end
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            may_fail.set()
            if earlier:
                await asyncio.to_thread(asked.acquire)
            (again,) = (await queue.reserve(timeout_s=WITHIN_S)).items
        assert again.data == b"one"

    run(body)


def test_what_a_worker_left_in_doubt_is_settled(run: Any) -> None:
    """When a worker has ended, a call of its that had no answer is settled without another call."""
    settled = threading.Event()

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        async with aclosing(queue.consume(stop_on=())) as jobs:
            async for item in jobs:
                async with item:
                    await asyncio.sleep(0.2)  # until the lane has nothing to do
                break
            settle = mock.patch.object(queue._queue, "settle", settled.set)
            settle.start()
        try:
            assert await asyncio.to_thread(settled.wait, WITHIN_S)
        finally:
            settle.stop()

    run(body)


def test_a_lost_item_interrupts_its_block(run: Any) -> None:
    """`lost` is set, and with `interrupt_lost` the block ends with a ConsumerLostError."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"one", b"two"])
        one, two = (await queue.reserve(2)).items
        asyncio.get_running_loop().call_later(
            0.05, queue._queue._consumer.membership.session_ended, queue.session_id
        )
        with pytest.raises(ConsumerLostError):
            async with one:
                await asyncio.sleep(WITHIN_S)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
        await two.lost.wait()
        with pytest.raises(ConsumerLostError):
            async with two:
                await asyncio.sleep(WITHIN_S)

    run(body, interrupt_lost=True)


def test_a_failed_block_brings_its_item_back(run: Any) -> None:
    """The error leaves the block; the item is delayed, and at its last delivery dead."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        for _ in range(2):
            (item,) = (await queue.reserve(sync=True)).items
            with pytest.raises(ValueError, match="bad"):
                async with item:
                    raise ValueError("bad")
            if item.delivery == 1:
                assert (await queue.stats()).delayed == 1
                delayed = await queue.peek(place="delayed")
                await queue.delete(delayed[0].name)
                await queue.put(b"one")
                break
        assert item.hold is Hold.RETURNED

    run(body)


def test_misuse_is_a_typed_error(run: Any) -> None:
    """Another loop, a forked child, a plain handler, foreign items: each says the way out."""

    async def body(queue: Queue) -> None:
        def elsewhere() -> None:
            with pytest.raises(WrongLoopError, match="in each loop"):
                asyncio.run(queue.put(b""))

        await asyncio.to_thread(elsewhere)
        with (
            mock.patch.object(os, "getpid", return_value=1),
            pytest.raises(ClosedError, match="connects its own"),
        ):
            await queue.put(b"")
        with mock.patch.object(os, "getpid", return_value=1):
            await queue.close()  # the queue is the parent's
        with pytest.raises(BadArgumentError, match="to_thread"):
            await queue.work(lambda _: None)  # type: ignore[arg-type, return-value]
        for call in (queue.done("item"), queue.done(), queue.reserve(0), queue.put("text")):  # type: ignore[arg-type]
            with pytest.raises(BadArgumentError):
                await call
        await queue.put(b"one")
        reservation = await queue.reserve(sync=True)
        for kind in (queue.done, queue.release, queue.touch):
            with pytest.raises(BadArgumentError, match=r"done\(\*items\)"):
                await kind(reservation.items)  # type: ignore[arg-type]
        for value in (reservation, reservation.items[0]):
            with pytest.raises(BadArgumentError, match="expected a list of items"):
                await queue.reserve(done=value)  # type: ignore[arg-type]
        await queue.release(*reservation.items)
        with pytest.raises(BadArgumentError, match="async with item"):
            async for _ in queue.consume(idle_s=0):
                pass
        assert (await queue.reserve(sync=True)).items

    run(body)


def test_a_handler_that_blocks_is_told(run: Any) -> None:
    """With a time limit, a handler that stops the event loop ends the worker with an error."""

    async def block(item: AsyncItem) -> None:
        threading.Event().wait(2.5)

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        with pytest.raises(WorkerStuckError, match="time_limit_s"):
            await queue.work(block, time_limit_s=0.2)

    run(body)


def test_no_call_blocks_the_event_loop(run: Any) -> None:
    """No method sends a request, or waits for a lock, on the event loop's own thread."""
    blocked: list[str] = []

    def checked(call: Any) -> Any:
        def check(*arguments: Any, **options: Any) -> Any:
            if asyncio._get_running_loop() is not None:
                blocked.append(call.__name__)
            return call(*arguments, **options)

        return check

    async def handle(item: AsyncItem) -> None:
        await asyncio.sleep(0)

    async def body(queue: Queue) -> None:
        await queue.put_many([b"%d" % number for number in range(8)])
        found = await queue.reserve(4, timeout_s=1.0)
        await queue.touch(found.items[0])
        await queue.release(found.items[0])
        await queue.bury(found.items[1], reason="no")
        async with found.items[2]:
            pass
        await queue.done(found.items[3])
        await queue.work(handle, concurrency=2, idle_s=0)
        await queue.kick(1)
        await queue.stats()
        async for item in queue.consume(idle_s=0):
            async with item:
                pass
        cancelled = asyncio.ensure_future(queue.reserve(timeout_s=1.0))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await queue.resolve()
        await queue.close()
        assert blocked == []
        # The control: the synchronous queue below does, and is noticed.
        CallLock(queue._queue.store.now).run(0.0, lambda: None)
        with suppress(ClosedError):
            queue._queue.store.commit([], 0.0)
        assert {"_enter", "commit"} <= set(blocked)

    patches = [
        mock.patch.object(owner, name, checked(getattr(owner, name)))
        for owner, name in (
            (KazooStore, "submit"), (KazooStore, "commit"), (KazooStore, "list"),
            (KazooStore, "read_many"), (KazooStore, "exists"), (KazooStore, "sync"),
            (KazooStore, "close"), (KazooStore, "wait_connected"), (CallLock, "_enter"),
        )
    ]  # fmt: skip
    for patch in patches:
        patch.start()
    try:
        run(body)
    finally:
        for patch in patches:
            patch.stop()


def test_a_loop_that_ends_without_close(
    server: WireZooKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    """The next answer finds no loop: the queue is closed, and what it held goes to others."""

    async def leave() -> Queue:
        queue = await Queue.connect(server.address, "/left", janitor=False)
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items
        assert item.data == b"one"
        return queue

    queue = asyncio.run(leave())
    queue._threads.tell(lambda: None)

    async def take() -> list[bytes]:
        async with await Queue.connect(server.address, "/left", janitor=False) as other:
            found = await other.reserve(timeout_s=WITHIN_S)
            return [item.data for item in found.items]

    assert asyncio.run(take()) == [b"one"]
    assert "await queue.close()" in caplog.text


def test_a_cancelled_connect_leaves_no_session(server: WireZooKeeper) -> None:
    """The session that opens all the same is closed."""
    before, connect = _sessions(server), KazooStore.connect
    asked, cancelled, opened = threading.Event(), threading.Event(), list[KazooStore]()

    def late(*arguments: Any, **options: Any) -> KazooStore:
        asked.set()
        cancelled.wait(WITHIN_S)
        opened.append(connect(*arguments, **options))
        return opened[-1]

    async def leave() -> None:
        call = asyncio.ensure_future(Queue.connect(server.address, "/late", janitor=False))
        assert await asyncio.to_thread(asked.wait, WITHIN_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        cancelled.set()
        deadline_s = asyncio.get_running_loop().time() + WITHIN_S
        while not opened or _sessions(server) != before:
            assert asyncio.get_running_loop().time() < deadline_s
            await asyncio.sleep(0.05)

    with mock.patch.object(KazooStore, "connect", late):
        asyncio.run(leave())


def _sessions(server: WireZooKeeper) -> set[int]:
    with server.leader_now() as leader:
        return set(leader.sessions)
