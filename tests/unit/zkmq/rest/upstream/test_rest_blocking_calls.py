"""Daemon threads for blocking calls."""

import asyncio
import threading

import pytest

from zkmq.rest.upstream import blocking_calls as module
from zkmq.rest.upstream.blocking_calls import BlockingCalls

WITHIN_S = 60.0


def test_as_many_as_calls() -> None:
    """Twenty calls that wait for each other all run at once."""

    async def run() -> list[int]:
        threads = BlockingCalls()
        together = threading.Barrier(20)
        return await asyncio.gather(*(threads.run(together.wait, WITHIN_S) for _ in range(20)))

    assert sorted(asyncio.run(run())) == list(range(20))


def test_reused() -> None:
    """One call after the other needs few threads: an answer may come before its thread is back."""

    async def run() -> list[threading.Thread]:
        threads = BlockingCalls()
        return [await threads.run(threading.current_thread) for _ in range(50)]

    assert len(set(asyncio.run(run()))) < 10


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that nothing is asked of ends, and the next call has another."""
    monkeypatch.setattr(module, "_IDLE_S", 0.01)

    async def run() -> tuple[threading.Thread, int]:
        threads = BlockingCalls()
        first = await threads.run(threading.current_thread)
        await asyncio.to_thread(first.join, WITHIN_S)
        return first, await threads.run(lambda: 7)

    first, answer = asyncio.run(run())
    assert first.daemon
    assert not first.is_alive()
    assert answer == 7


def test_errors() -> None:
    """What a call raises is raised where it is awaited."""

    async def run() -> None:
        threads = BlockingCalls()
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 / 0)
        assert await threads.run(int, "7", base=8) == 7

    asyncio.run(run())


def test_goes_on_without_its_caller() -> None:
    """A cancelled caller does not end the call, nor does its answer do any harm."""

    async def run() -> bool:
        threads = BlockingCalls()
        going, ended = threading.Event(), threading.Event()

        def work() -> None:
            going.set()
            ended.set()

        task = asyncio.ensure_future(threads.run(work))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await threads.run(ended.wait, WITHIN_S)

    assert asyncio.run(run())
