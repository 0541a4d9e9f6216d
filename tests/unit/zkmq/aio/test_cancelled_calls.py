"""Calls whose tasks are cancelled, or give up, at a chosen moment: what the next call is told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import pytest

from worlds.wire.zookeeper import WireZooKeeper
from zkmq.aio import AsyncItem, AsyncOutcomeUnknownError, Queue
from zkmq.aio.call import EndCall, groups_of
from zkmq.aio.taking_lane import Spare, TakingLane
from zkmq.aio.threads import LoopThreads
from zkmq.doubt import Doubt, Write
from zkmq.errors import (
    BadArgumentError,
    ClosedError,
    IncompatibleTreeError,
    OutcomeUnknownError,
    ServerRefusedError,
)
from zkmq.taking.reserve import Reserver
from zkmq.tree.item import Hold

WITHIN_S = 60.0
FOREVER = float("inf")


class Gate:
    """A blocking call that waits, after it was asked, until it may go on."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._asked, self._may = threading.Semaphore(0), threading.Event()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self._asked.release()
        self._may.wait(WITHIN_S)
        return self._call(*arguments, **options)

    async def asked(self) -> None:
        """Wait until it is called."""
        await asyncio.to_thread(self._asked.acquire)

    def open(self) -> None:
        """Let it go on, this time and always."""
        self._may.set()


@contextmanager
def gated(owner: Any, name: str) -> Iterator[Gate]:
    """Let a blocking call wait until the end of the block, at the latest."""
    gate = Gate(getattr(owner, name))
    with mock.patch.object(owner, name, gate):
        try:
            yield gate
        finally:
            gate.open()


async def leave(call: Awaitable[Any], gate: Gate | None = None) -> None:
    """Await a call in this task, and cancel it once the gate was asked, or before it is sent."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:
            if gate is None:
                limit.reschedule(0)
                await call
            else:
                opener = asyncio.ensure_future(gate.asked())
                opener.add_done_callback(lambda _: limit.reschedule(0))
                await call


async def expire(queue: Queue, call: Awaitable[Any]) -> AsyncOutcomeUnknownError:
    """Await a call whose deadline is short, until it is over."""
    before, queue.deadline_s = queue.deadline_s, 0.1
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    queue.deadline_s = before
    with pytest.raises(AsyncOutcomeUnknownError) as caught:
        await task
    return caught.value


async def taken(queue: Queue, **options: Any) -> AsyncItem:
    """Put an item, and take it."""
    await queue.put(b"one", **options)
    (item,) = (await queue.reserve(timeout_s=WITHIN_S, sync=True)).items
    return item


def settled_doubt() -> Doubt:
    """The doubt of a call that turned out to have no effect."""
    doubt = Doubt([Write("release")], lambda _: None)
    doubt.settle(took_effect=False)
    return doubt


def test_a_touch_after_a_cancelled_one_is_sent(run: Any) -> None:
    """The time to run starts anew with each touch, so an earlier one says nothing of a later."""

    async def body(queue: Queue) -> None:
        item = await taken(queue, ttr_s=WITHIN_S)
        with gated(queue._queue, "touch") as gate:
            await leave(queue.touch(item), gate)
        version = item.item.version
        await queue.touch(item)
        await queue.touch(item)
        assert item.item.version >= version + 2

    run(body)


def test_a_session_that_opened_at_the_moment_of_the_cancellation_is_closed(
    server: WireZooKeeper,
) -> None:
    """The queue is there, and its task does not get it any more."""
    tell, before = LoopThreads.tell, _sessions(server)

    async def connect() -> None:
        call = asyncio.ensure_future(Queue.connect(server.address, "/moment", janitor=False))

        def cancelling(threads: LoopThreads, act: Any, *arguments: Any) -> bool:
            def both() -> None:
                act(*arguments)
                call.cancel()

            return tell(threads, both)

        with mock.patch.object(LoopThreads, "tell", cancelling):
            await asyncio.wait([call])
        assert call.cancelled()
        until_s = asyncio.get_running_loop().time() + WITHIN_S
        while _sessions(server) != before:
            assert asyncio.get_running_loop().time() < until_s
            await asyncio.sleep(0.05)

    asyncio.run(connect())


def _sessions(server: WireZooKeeper) -> set[int]:
    with server.leader_now() as leader:
        return set(leader.sessions)


def test_resolve_tells_of_the_last_put_only(run: Any) -> None:
    """A put that was cancelled before it was sent is not taken for the one before it."""

    async def body(queue: Queue) -> None:
        with gated(queue._putting, "_put_many") as gate:
            await leave(queue.put(b"first"), gate)
            await leave(queue.put(b"second"))
            gate.open()
            assert await queue.resolve() == ()
        await queue.put(b"third")
        assert [each.data for each in await queue.peek(9)] == [b"first", b"third"]

    run(body)


def test_a_reserve_cancelled_between_its_halves_tells_of_done_again(run: Any) -> None:
    """The acknowledgement took effect, and then the task was cancelled as it waited for items."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        call = asyncio.ensure_future(queue.reserve(timeout_s=FOREVER, done=[item]))
        while item.hold is Hold.HELD:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])
        assert (await queue.reserve(done=[item])).done is not None

    run(body)


def test_done_after_one_whose_deadline_passed_tells_what_that_did(run: Any) -> None:
    """The first took effect after its task was told that its outcome is unknown."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        with gated(queue._queue, "done") as gate:
            error = await expire(queue, queue.done(item))
            gate.open()
            assert (await queue.done(item)).zxid is not None
        assert [each.took_effect for each in await error.resolve()] == [True]

    run(body)


def test_the_wait_for_an_earlier_call_has_a_deadline(run: Any) -> None:
    """`done` again, and `resolve`, end at their deadlines while the first call is under way."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        with gated(queue._queue, "done") as gate:
            await leave(queue.done(item), gate)
            await expire(queue, queue.done(item))
            gate.open()
            await queue.done(item)
        with gated(queue._putting, "_put_many") as gate:
            await leave(queue.put_many([b"a", b"b"]), gate)
            before, queue.deadline_s = queue.deadline_s, 0.1
            with pytest.raises(AsyncOutcomeUnknownError) as caught:
                await queue.resolve()
            queue.deadline_s = before
            assert caught.value.doubtful == 2
            gate.open()
            assert [(each.took_effect, each.items) for each in await queue.resolve()] == [(True, 2)]

    run(body)


def test_what_nobody_can_know_after_close_is_unknown(run: Any) -> None:
    """A put under way when the queue was closed is told neither as put nor as not put."""

    async def body(queue: Queue) -> None:
        with gated(queue._putting, "_put_many"):
            error = await expire(queue, queue.put_many([b"%d" % number for number in range(5)]))
            await queue.close()
            told = await error.resolve()
        assert sum(each.items for each in told) == 5
        assert {each.took_effect for each in told} == {None}

    run(body)


def test_a_call_that_comes_to_its_lane_after_close_ends(run: Any) -> None:
    """A reserve without a deadline waited for an earlier `done` when the queue was closed."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        with gated(queue._queue, "done") as gate:
            await leave(queue.done(item), gate)
            call = asyncio.ensure_future(queue.reserve(timeout_s=FOREVER, done=[item]))
            await asyncio.sleep(0)
            await queue.close()
            with pytest.raises(ClosedError):
                await call

    run(body)


def test_the_end_of_the_loop_lets_a_close_finish(server: WireZooKeeper) -> None:
    """`asyncio.run` cancels all tasks at its end, also that which closes the queue."""
    ended = threading.Event()

    async def main() -> None:
        queue = await Queue.connect(server.address, "/finish", janitor=False)
        close = queue._queue.close

        def slowly() -> None:
            threading.Event().wait(0.3)
            close()
            ended.set()

        queue._queue.close = slowly  # type: ignore[method-assign]
        await leave(queue.close())

    asyncio.run(main())
    assert ended.is_set()


@pytest.mark.parametrize(
    "error", [OutcomeUnknownError("no answer"), ServerRefusedError("reserve", -125, "QUOTA")]
)
def test_done_is_not_told_the_outcome_of_the_claim_after_it(run: Any, error: Exception) -> None:
    """Another consumer is faster, so `done` goes alone and takes effect; then the claim fails."""
    if isinstance(error, OutcomeUnknownError):
        error.doubt = settled_doubt()

    def rough(_: Reserver, __: int, done: Any, *___: Any) -> None:
        if not done:
            raise error

    async def body(queue: Queue) -> None:
        await queue.put(b"two")
        item = await taken(queue)
        with mock.patch.object(Reserver, "_once", rough):
            done, _ = await asyncio.gather(
                queue.done(item), queue.reserve(), return_exceptions=True
            )
        assert not isinstance(done, BaseException), done
        assert item.hold is Hold.DONE

    run(body)


def test_a_repeated_end_in_doubt_goes_alone() -> None:
    """Sent with others, it would be told that it was not sent, and not what became of the first."""

    async def made() -> list[EndCall]:
        items = [mock.Mock(in_doubt=None) for _ in range(3)]
        items[1].in_doubt = ("done", settled_doubt())
        loop = asyncio.get_running_loop()
        return [EndCall(loop, [item], mock.Mock(), "done") for item in items]

    one, two, three = asyncio.run(made())
    assert groups_of([one, two, three]) == ([[one, three], [two]], [])


def test_an_item_that_did_not_go_back_goes_to_who_waits(run: Any) -> None:
    """A release in doubt, which had no effect, keeps no item from a reserve that waits for ever."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        doubt = Doubt([Write("release")], lambda _: None)
        item.item.in_doubt = ("release to place after 1 s", doubt)
        waiting = asyncio.ensure_future(queue.reserve(timeout_s=FOREVER))
        await asyncio.sleep(0.1)
        queue._taking.hand_over(Spare((item.item,)))
        asyncio.get_running_loop().call_later(0.2, lambda: doubt.settle(took_effect=False))
        (again,) = (await waiting).items
        assert again is item

    run(body)


def test_spare_items_need_not_wait_for_acknowledgements(run: Any) -> None:
    """Where `done` is called all the time, a reserve gets what nobody else waits for."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"a", b"b", b"c"])
        first, second, spare = (await queue.reserve(3, sync=True)).items
        with gated(queue._queue, "done") as gate:
            ends = [asyncio.ensure_future(queue.done(first))]
            await gate.asked()
            queue._taking.hand_over(Spare((spare.item,)))
            ends += [asyncio.ensure_future(queue.done(second))]
            call = asyncio.ensure_future(queue.reserve())
            await asyncio.sleep(0.05)
            gate.open()
            assert (await call).items == (spare,)
            await asyncio.gather(*ends)

    run(body)


def test_a_spare_item_that_cannot_go_back_keeps_no_other(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A foreign client's child keeps a claim from being deleted; the other items go back."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"a", b"b", b"c"])
        items = (await queue.reserve(3, sync=True)).items
        release = queue._queue.release

        def released(*released: Any) -> Any:
            if items[0].item in released:
                raise IncompatibleTreeError("it has children")
            return release(*released)

        with mock.patch.object(queue._queue, "release", released):
            queue._taking.hand_over(Spare(tuple(item.item for item in items)))
            while {item.hold for item in items[1:]} != {Hold.RETURNED}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert items[0].hold is Hold.HELD
        assert "stays held" in caplog.text

    run(body)


def test_calls_that_come_after_something_unforeseen_do_not_fail_with_it(run: Any) -> None:
    """The event loop is busy when the lane's thread fails, and more is handed over meanwhile."""
    turn, failed = TakingLane._turn, threading.Event()

    def failing(self: TakingLane) -> None:
        if self._handed and not failed.is_set():
            self._receive()
            failed.set()
            raise RuntimeError("unforeseen")
        turn(self)

    async def body(queue: Queue) -> None:
        item = await taken(queue)
        with mock.patch.object(TakingLane, "_turn", failing):
            first = asyncio.ensure_future(queue.reserve())
            await asyncio.sleep(0)
            # From here on the loop is busy, and cannot tell who failed.
            queue._taking._flush()
            failed.wait(WITHIN_S)
            second = EndCall(queue._threads.loop, [item.item], queue._queue.done, "done")
            queue._calls.hand_over(queue._taking, second)
            queue._taking._flush()
            threading.Event().wait(0.5)
            assert (await second.answer).zxid is not None
            with pytest.raises(RuntimeError, match="unforeseen"):
                await first

    run(body)


def test_a_block_of_another_thread_gives_its_item_back(run: Any) -> None:
    """A block ends where garbage is collected, or in another event loop; the item goes on."""

    async def body(queue: Queue) -> None:
        item = await taken(queue)

        async def block() -> None:
            async with item:
                await asyncio.Event().wait()

        left = block()
        left.send(None)
        waiting = asyncio.ensure_future(queue.reserve(timeout_s=FOREVER))
        await asyncio.sleep(0.1)
        loop, here = asyncio.get_running_loop(), threading.get_ident()
        call_soon = loop.call_soon

        def checked(*arguments: Any, **options: Any) -> Any:
            assert threading.get_ident() == here
            return call_soon(*arguments, **options)

        with mock.patch.object(loop, "call_soon", checked):
            await asyncio.to_thread(left.close)
            assert (await waiting).items == (item,)

    run(body)


def test_a_coroutine_that_is_closed_leaves_its_reserve(run: Any) -> None:
    """What comes for it goes to others, as if its task had been cancelled."""

    async def body(queue: Queue) -> None:
        left = queue.reserve(timeout_s=FOREVER)
        left.send(None)
        await asyncio.sleep(0.1)
        left.close()
        await queue.put(b"one")
        (item,) = (await queue.reserve(timeout_s=FOREVER)).items
        assert item.data == b"one"

    run(body)


def test_bad_items_of_a_reserve_are_a_typed_error(run: Any) -> None:
    """As those of `done` are, also if an earlier call is to be asked."""

    async def body(queue: Queue) -> None:
        with pytest.raises(BadArgumentError):
            await queue.reserve(done=["item"])  # type: ignore[list-item]

    run(body)
