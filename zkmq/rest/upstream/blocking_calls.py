"""Blocking calls on daemon threads, which do not keep the process from ending."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
_IDLE_S = 10.0


class BlockingCalls:
    """Runs blocking calls for an event loop, with one daemon thread for each running call.

    The standard executor joins its threads when the process ends. A thread that waits for a
    silent ZooKeeper would delay that by half a minute.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    async def run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Run a call, and wait for its result. The call continues if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._start(partial(_run, loop, answer, partial(function, *arguments, **options)))
        return await answer

    def _start(self, job: Callable[[], None]) -> None:
        with self._lock:
            spawn = self._idle == 0
            self._idle -= not spawn
        if spawn:
            threading.Thread(target=self._work, args=(job,), daemon=True).start()
        else:
            self._jobs.put(job)

    def _work(self, job: Callable[[], None] | None) -> None:
        while job is not None:
            job()
            with self._lock:
                self._idle += 1
            job = self._next()

    def _next(self) -> Callable[[], None] | None:
        """Wait for a job; None if none came within _IDLE_S, so that the thread ends."""
        while True:
            try:
                return self._jobs.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return None


def _run(
    loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]", call: Callable[[], T]
) -> None:
    try:
        settle: Callable[[], None] = partial(_set_result, answer, call())
    except BaseException as error:  # noqa: BLE001 -- raised where the call is awaited
        settle = partial(_set_exception, answer, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle)


def _set_result(answer: "asyncio.Future[T]", value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _set_exception(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
