"""An event loop on a thread of its own: for subjects whose queue is awaited, and forwarders."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

T = TypeVar("T")
NAME: Final = "harness-event-loop"
END_WITHIN_S: Final = 10.0


class EventLoop:
    """Runs coroutines for other threads, until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=NAME, daemon=True)
        self._thread.start()

    def begin(self, call: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a call."""
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    def wait(self, call: Coroutine[Any, Any, T], within_s: float) -> T:
        """Wait for a call, which ends by itself sooner than that.

        Raises:
            TimeoutError: it did not.
        """
        return self.begin(call).result(within_s)

    def tell(self, act: Callable[[], object]) -> None:
        """Let the loop call something soon."""
        self._loop.call_soon_threadsafe(act)

    def close(self) -> None:
        """End the thread; what runs is cancelled, and given a moment to end. Twice is fine."""
        if self._loop.is_closed():
            return
        cancelling = asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop)
        try:
            cancelling.result(END_WITHIN_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(END_WITHIN_S)
            if not self._thread.is_alive():
                self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=END_WITHIN_S / 2)
