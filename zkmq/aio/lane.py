"""A lane: one thread that serves the calls of many tasks, all that wait at once."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from zkmq.aio.async_errors import AsyncOutcomeUnknownError
from zkmq.aio.call import Call
from zkmq.aio.threads import LoopThreads
from zkmq.errors import ClosedError, ZkmqError
from zkmq.working.worker import WorkerClock

Handed = TypeVar("Handed")
Answer = tuple[Call[Any], Any]
# The pause after something unforeseen.
PAUSE_S = 0.2

log = logging.getLogger("zkmq.aio")


class Lane(ABC, Generic[Handed]):
    """Takes calls from the event loop, and gives it their outcomes.

    The calls that tasks make in one turn of the loop are handed over together. While the thread
    waits for servers, more come, and are served together then.
    """

    name: str

    def __init__(self, threads: LoopThreads, store: WorkerClock) -> None:
        self._threads = threads
        self._store = store
        self._signal = store.signal()
        # In the event loop: what the thread does not have yet, and what has no outcome yet.
        self._gathered: list[Handed] = []
        self._open: dict[Call[Any], None] = {}
        # Filled by the event loop, emptied by the thread.
        self._handed: deque[Handed] = deque()
        self._is_stopping = False
        # In the event loop: whether nothing is served any more.
        self._is_over = False
        # Whether calls wait to be told of something unforeseen.
        self._is_failing = False
        # Done when the thread has ended.
        self.ended: asyncio.Future[None] = threads.loop.create_future()

    def start(self) -> None:
        """Start the thread; call it once."""
        self._threads.spawn(f"zkmq-aio-{self.name}", self._run)

    def hand_over(self, handed: Handed) -> None:
        """Give the thread something to do; in the event loop, or where garbage is collected."""
        if self._threads.loop.is_closed():  # a task that never ended is garbage, with its blocks
            return
        if not self._threads.is_here:
            self._threads.tell(self.hand_over, handed)
            return
        if isinstance(handed, Call):
            self._open[handed] = None
            if self._is_over:
                self.abandon()
                return
        if not self._gathered:
            self._threads.loop.call_soon(self._flush)
        self._gathered.append(handed)

    def stop(self) -> None:
        """End the thread after what it does now; from any thread."""
        self._is_stopping = True
        self._wake()

    def leave(self, call: Call[Any]) -> bool:
        """Note that no task waits for a call any more; whether it certainly is not sent.

        In the event loop.
        """
        dropped = call.drop()
        if dropped:
            self._open.pop(call, None)
        return dropped

    def abandon(self) -> None:
        """End all calls without an outcome, when the queue was closed; in the event loop.

        Those that come later end at once.
        """
        self._is_over = True
        for call in tuple(self._open):
            error: ZkmqError = ClosedError("the queue was closed; connect a new one")
            if not self.leave(call):
                error = unknown = AsyncOutcomeUnknownError(
                    "the queue was closed while the call was under way"
                )
                unknown.doubtful = call.count
            self._deliver([(call, error)])

    def tell(self, answers: Sequence[Answer]) -> None:
        """Give calls their outcomes, from the thread."""
        if answers:
            self._threads.tell(self._deliver, answers)

    @abstractmethod
    def _turn(self) -> None:
        """Serve what was handed over, or wait for more."""

    def _deliver(self, answers: Sequence[Answer]) -> None:
        for call, outcome in answers:
            self._open.pop(call, None)
            if not call.deliver(outcome):
                self._declined(call, outcome)

    def _declined(self, call: Any, outcome: Any) -> None:
        """Do something about an outcome for which no task waits, in the event loop."""

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._handed.extend(gathered)
        self._wake()

    def _wake(self) -> None:
        self._signal.set()

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._turn()
            except Exception as error:
                log.exception("%s: unforeseen", self.name)
                self._forget()
                self._is_failing = True
                self._threads.tell(self._fail_all, error)
                self._pause()
        self._threads.tell(self._mark_ended)

    def _pause(self) -> None:
        """Take nothing up for a moment, and before calls were told: else they fail, too."""
        until_s = self._store.now() + PAUSE_S
        while not self._is_stopping and (self._is_failing or self._store.now() < until_s):
            self._signal.wait(max(until_s, self._store.now() + PAUSE_S))

    def _mark_ended(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _forget(self) -> None:
        """Drop what the thread has in hand, after something unforeseen."""

    def _fail_all(self, error: Exception) -> None:
        # Only those that the thread had: the others wait for it.
        waiting = {id(each) for each in (*self._gathered, *self._handed)}
        self._deliver([(call, error) for call in tuple(self._open) if id(call) not in waiting])
        self._is_failing = False
        self._wake()
