"""`work` and `consume` for asyncio: the worker's loop on a thread, its handlers in tasks."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from functools import partial
from signal import Signals
from typing import Any

from zkmq import checks
from zkmq.aio.async_item import AsyncItem
from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.threads import LoopThreads
from zkmq.errors import BadArgumentError
from zkmq.tree.item import Hold, Item
from zkmq.working.graceful_stop import stopping_on
from zkmq.working.job import Job
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import GIVE_BACK_S, Worker
from zkmq.working.working import Worked, run

Handler = Callable[[Any], Awaitable[object]]


class LostSignal(threading.Event):
    """The `lost` of a job, which also tells the event loop."""

    def __init__(self, tell: Callable[[], object]) -> None:
        super().__init__()
        self._tell = tell

    def set(self) -> None:
        """Tell that the item is not the worker's any more; from any thread."""
        super().set()
        self._tell()


class AsyncJobs:
    """Makes jobs of a worker's thread into items of the event loop.

    `left` is called in the event loop when a worker has ended, with the items that it still holds.
    """

    def __init__(
        self, threads: LoopThreads, *, interrupts: bool, left: Callable[[Sequence[Item]], object]
    ) -> None:
        self.threads = threads
        self.interrupts = interrupts
        self.left = partial(threads.tell, left)

    def item_of(self, job: Job, on_lost: Callable[[], object] = lambda: None) -> AsyncItem:
        """Return the item; `on_lost` is called in the event loop, after its `lost` is set."""
        item = AsyncItem(job.item, partial(_end_job, job), interrupts=self.interrupts)

        def lose() -> None:
            if not item.lost.is_set():  # a second cancellation would interrupt the handler's end
                item.be_lost()
                on_lost()

        before, job.lost = job.lost, LostSignal(lambda: self.threads.tell(lose))
        # Whoever set `before` a moment ago had noted this first.
        if before.is_set() or job.item.hold is Hold.LOST:
            job.lost.set()
        return item


async def _end_job(job: Job, _: AsyncItem, error: BaseException | None) -> bool:
    return job.__exit__(None if error is None else type(error), error, None)


class HandlerTasks:
    """The tasks in which a worker's handlers run."""

    def __init__(self, jobs: AsyncJobs, handler: Handler, *, batch: bool) -> None:
        self._jobs = jobs
        self._handler = handler
        self._batch = batch
        self._tasks: dict[asyncio.Task[None], None] = {}

    def begin(self, jobs: list[Job]) -> Future[Any]:
        """Start a handler; on the worker's thread."""
        future: Future[None] = Future()
        run = HandlerRun(self._handle, future)
        run.items = [self._jobs.item_of(job, run.lose) for job in jobs]
        self._jobs.threads.tell(self._start, run)
        return future

    async def cancel(self) -> None:
        """Cancel the handlers that still run, and give them a moment to end."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GIVE_BACK_S)

    def _start(self, run: "HandlerRun") -> None:
        if run.start(interrupts=self._jobs.interrupts):
            assert run.task is not None
            self._tasks[run.task] = None
            run.task.add_done_callback(self._tasks.pop)

    async def _handle(self, items: list[AsyncItem]) -> None:
        held = [item for item in items if not item.lost.is_set()]
        if self._batch and held:
            await self._handler(held)
        elif held:
            await self._handler(held[0])


class HandlerRun:
    """One call of a handler, in a task of its own. In the event loop."""

    def __init__(self, handle: Callable[[list[AsyncItem]], Any], future: Future[None]) -> None:
        self.items: list[AsyncItem] = []
        self.task: asyncio.Task[None] | None = None
        self._handle = handle
        self._future = future
        self._interrupts = False

    def start(self, *, interrupts: bool) -> bool:
        """Start the task, unless the worker has taken the jobs back."""
        self._interrupts = interrupts
        if not self._future.set_running_or_notify_cancel():
            return False
        self.task = asyncio.get_running_loop().create_task(self._handle(self.items))
        self.task.add_done_callback(self._ended)
        return True

    def lose(self) -> None:
        """Cancel the handler if it has nothing left to work on."""
        if self._interrupts and self.task is not None and self._is_lost():
            self.task.cancel()

    def _is_lost(self) -> bool:
        return all(item.lost.is_set() for item in self.items)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None or self._is_lost():  # what is lost is not tried again
            self._future.set_result(None)
        else:
            self._future.set_exception(error)


async def work(
    queue: BridgedQueue,
    jobs: AsyncJobs,
    handler: Handler,
    settings: WorkSettings,
    stop_on: Sequence[Signals],
) -> Worked:
    """Run `handler` on every item until the worker stops."""
    if not checks.is_async(handler):
        raise BadArgumentError(
            f"work: handler: expected an async function, got {handler!r}; a function that blocks "
            "would stop the event loop: await asyncio.to_thread(function, item) in an async "
            "function, or use zkmq.Queue.work"
        )
    tasks = HandlerTasks(jobs, handler, batch=settings.batch is not None)
    worker = queue.worker(settings, tasks.begin, left=jobs.left)
    with stopping_on(stop_on, worker.stop):
        over = _started(worker, jobs)
        try:
            return await asyncio.shield(over)
        except asyncio.CancelledError:
            worker.stop(0.0)
            await asyncio.wait([over], timeout=GIVE_BACK_S)
            raise
        finally:
            await tasks.cancel()


async def consume(
    queue: BridgedQueue, jobs: AsyncJobs, settings: WorkSettings, stop_on: Sequence[Signals]
) -> AsyncIterator[AsyncItem]:
    """Give one item after the other to the caller, who is the handler."""
    came: asyncio.Queue[tuple[Job, AsyncItem, Future[None]] | None] = asyncio.Queue()

    def begin(begun: list[Job]) -> Future[Any]:
        future: Future[None] = Future()
        (job,) = begun
        jobs.threads.tell(came.put_nowait, (job, jobs.item_of(job), future))
        return future

    worker, job = queue.worker(settings, begin, left=jobs.left), None
    with stopping_on(stop_on, worker.stop):
        over = _started(worker, jobs)
        over.add_done_callback(lambda _: came.put_nowait(None))
        try:
            while (turn := await came.get()) is not None:
                job, item, future = turn
                if not future.set_running_or_notify_cancel():
                    continue
                yield item
                if not job.ended:
                    raise BadArgumentError(
                        f"consume: {job.id}: expected the work in `async with item:`, got the next "
                        "turn of the loop without it; the item goes back"
                    )
                future.set_result(None)
        finally:
            worker.stop(None if job is None or job.ended else 0.0)
            await asyncio.wait([over])
    over.result()


def _started(worker: Worker, jobs: AsyncJobs) -> "asyncio.Future[Worked]":
    return jobs.threads.call("zkmq-aio-work", partial(run, worker, (), jobs.threads.spawn))
