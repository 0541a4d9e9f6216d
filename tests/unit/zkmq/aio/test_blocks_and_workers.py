"""Blocks of items that are lost, and workers of an event loop: who is told, and where items go."""

import asyncio
from functools import partial
from typing import Any
from unittest import mock

import pytest

from zkmq.aio import AsyncItem, Queue
from zkmq.aio.async_working import AsyncJobs
from zkmq.errors import ConsumerLostError, NoQuorumError, OutcomeUnknownError
from zkmq.taking import consumer, waiting
from zkmq.tree.item import Hold
from zkmq.working.job import Job
from zkmq.working.worker import Worker

WITHIN_S = 60.0
FOREVER = float("inf")


def test_a_lost_block_without_an_await_leaves_no_cancellation(run: Any) -> None:
    """The task was cancelled at the block's start; only the block ends, and not what follows."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items
        item.be_lost()
        with pytest.raises(ConsumerLostError):
            async with item:
                pass
        with pytest.raises(ValueError, match="bad"):
            async with item:
                raise ValueError("bad")
        await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]

    run(body, interrupt_lost=True)


def test_two_blocks_of_one_item_are_both_interrupted(run: Any) -> None:
    """Each task takes back its own cancellation, and nobody else's."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items

        async def block() -> int:
            with pytest.raises(ConsumerLostError):
                async with item:
                    await asyncio.sleep(WITHIN_S)
            return asyncio.current_task().cancelling()  # type: ignore[union-attr]

        tasks = [asyncio.ensure_future(block()) for _ in range(2)]
        await asyncio.sleep(0)
        item.be_lost()
        assert await asyncio.gather(*tasks) == [0, 0]

    run(body, interrupt_lost=True)


def test_a_cancelled_lost_block_stays_cancelled(run: Any) -> None:
    """Its task was cancelled by another as well, and that is not taken for the loss."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items

        async def block() -> None:
            async with item:
                await asyncio.sleep(WITHIN_S)

        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        item.be_lost()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(body, interrupt_lost=True)


def test_a_handler_is_cancelled_once_for_a_loss(run: Any) -> None:
    """A job may be told twice that it is lost; the handler's end is not interrupted."""
    lost: list[str] = []

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items
        jobs = AsyncJobs(queue._threads, interrupts=True, left=list)
        job = Job(item.item)
        made = jobs.item_of(job, partial(lost.append, "lost"))
        for _ in range(2):
            job.lost.set()
            await asyncio.sleep(0.01)
        assert made.lost.is_set()
        assert lost == ["lost"]

    run(body)


def test_what_the_servers_did_not_take_from_a_worker_goes_to_others(run: Any) -> None:
    """No server answers while a worker stops; its item is not held until the queue is closed."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        no_answer = mock.Mock(side_effect=NoQuorumError("not sent"))
        with mock.patch.object(queue._queue._consumer, "release", no_answer):
            jobs = queue.consume()
            item = await anext(jobs)
            await jobs.aclose()  # type: ignore[attr-defined]
        assert no_answer.called
        (again,) = (await queue.reserve(timeout_s=FOREVER)).items
        assert again.id == item.id
        assert again.item.header.get("forgiven", 0) <= 1

    run(body)


def test_what_a_worker_took_in_doubt_goes_back(run: Any) -> None:
    """The worker stops while its take has no answer, and no task waits for an item."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        made, taking = queue._queue.worker, queue._queue._consumer
        reserve, workers = taking.reserve, list[Worker]()

        def noted(*arguments: Any, **options: Any) -> Worker:
            workers.append(made(*arguments, **options))
            return workers[-1]

        def in_doubt(*arguments: Any, **options: Any) -> Any:
            found = reserve(*arguments, **options)
            taking.membership.arrived.add(found.items)
            workers[0].stop(0.0)
            raise OutcomeUnknownError("no answer")

        with (
            mock.patch.object(queue._queue, "worker", noted),
            mock.patch.object(taking, "reserve", in_doubt),
        ):
            assert [item async for item in queue.consume()] == []
        while (await queue.stats()).held:  # noqa: ASYNC110 - the lane returns it
            await asyncio.sleep(0.05)
        assert [each.deliveries for each in await queue.peek()] == [1]

    run(body)


def test_a_consume_that_is_garbage_gives_back_what_it_holds(run: Any) -> None:
    """The loop was left without `aclosing`."""

    async def body(queue: Queue) -> None:
        await queue.put_many([b"one", b"two", b"three"])
        async for item in queue.consume():
            assert item.data == b"one"
            break
        found: list[bytes] = []
        while len(found) < 3:
            items = (await queue.reserve(3, timeout_s=FOREVER)).items
            found += [each.data for each in items]
        assert sorted(found) == [b"one", b"three", b"two"]

    run(body)


def test_a_call_does_not_wait_for_a_worker_that_waits_for_items(run: Any) -> None:
    """The lane waits for its turn to wait, and the signal for it wakes the worker instead."""

    async def body(queue: Queue) -> None:
        await queue.put(b"one")
        (item,) = (await queue.reserve(sync=True)).items
        worker = asyncio.ensure_future(queue.work(_nothing))
        await asyncio.sleep(0.3)
        reserve = asyncio.ensure_future(queue.reserve(timeout_s=FOREVER))
        await asyncio.sleep(0.3)
        await asyncio.wait_for(queue.done(item), WITHIN_S / 3)
        assert item.hold is Hold.DONE
        for task in (reserve, worker):
            task.cancel()
        await asyncio.wait([reserve, worker])

    with (
        mock.patch.object(consumer, "LOOK_AGAIN_S", 1000.0),
        mock.patch.object(waiting, "LOOK_AGAIN_S", 1000.0),
    ):
        run(body)


async def _nothing(_: AsyncItem) -> None:
    await asyncio.sleep(0)
