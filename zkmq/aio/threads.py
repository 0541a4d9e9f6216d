"""Blocking functions on threads, for one event loop, which gets their results as futures."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, TypeVar

from zkmq.aio.async_errors import WrongLoopError
from zkmq.errors import ClosedError
from zkmq.working.working import Spawn, daemon

T = TypeVar("T")


class LoopThreads:
    """Runs blocking functions on daemon threads, and brings what they tell to the event loop.

    `on_loop_closed` is called, on a thread, when a thread finds that the loop was closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, spawn: Spawn = daemon) -> None:
        self.loop = loop
        self.spawn = spawn
        self.on_loop_closed: Callable[[], object] = lambda: None
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in this event loop."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    @property
    def is_forked(self) -> bool:
        """Whether the caller is in a forked child, which has none of the threads."""
        return os.getpid() != self._process

    def require_here(self) -> None:
        """Make sure that the caller is in this process, and in this event loop.

        Raises:
            ClosedError: it is in a forked child.
            WrongLoopError: it is in another event loop.
        """
        if self.is_forked:
            raise ClosedError(
                f"the queue belongs to process {self._process}; a forked child connects its own"
            )
        if not self.is_here:
            raise WrongLoopError

    async def open(self, name: str, function: Callable[[], T], abandoned: Callable[[T], None]) -> T:
        """Call a function on a thread; if the task does not get the result, `abandoned` does."""
        answer = self.call(name, function, abandoned)
        try:
            return await answer
        except BaseException:
            # The result may have come in the moment of the cancellation.
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self.spawn(name, lambda: abandoned(answer.result()))
            raise

    def call(
        self, name: str, function: Callable[[], T], abandoned: Callable[[T], None] | None = None
    ) -> "asyncio.Future[T]":
        """Call a function on a thread of its own. It goes on if the future is cancelled.

        `abandoned` then gets the result, on a thread again.
        """
        answer: asyncio.Future[T] = self.loop.create_future()
        # It may be that nobody awaits it any more when it fails.
        answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())

        def run() -> None:
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 - raised where the future is awaited
                self.tell(_fail, answer, error)
                return
            if not self.tell(deliver, result) and abandoned is not None:
                abandoned(result)

        def deliver(result: T) -> None:
            if not answer.done():
                answer.set_result(result)
            elif abandoned is not None:
                self.spawn(name, lambda: abandoned(result))

        self.spawn(name, run)
        return answer

    def tell(self, act: Callable[..., object], *arguments: Any) -> bool:
        """Let the event loop call something; False if the loop was closed."""
        try:
            self.loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            self.on_loop_closed()
            return False
        return True


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
