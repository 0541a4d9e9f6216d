"""Threads for calls that block, which never keep the process from ending."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
_IDLE_S = 10.0


class DaemonThreads:
    """Runs blocking calls for an event loop, in as many daemon threads as there are calls.

    The standard executor joins its threads at the process's end, and one that waits for a
    ZooKeeper which does not answer would hold it for half a minute.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    async def run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Run a call; it goes on if the caller is cancelled."""
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
        """Wait for a job; None if there was none for a while, and none was promised."""
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
    except BaseException as error:  # noqa: BLE001 -- it belongs to whoever awaits the call
        settle = partial(_set_exception, answer, error)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits any more
        loop.call_soon_threadsafe(settle)


def _set_result(answer: "asyncio.Future[T]", value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _set_exception(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
