"""Blocking calls on daemon threads, which do not keep the process from ending."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
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
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()  # from here on, no caller can cancel it
        self._start(partial(_run, answer, partial(function, *arguments, **options)))
        return await asyncio.wrap_future(answer)

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


def _run(answer: "Future[T]", call: Callable[[], T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 -- raised where the call is awaited
        answer.set_exception(error)
