"""The queue for asyncio: the tasks of one event loop share one client."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from signal import SIGTERM, Signals
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

from zkmq import checks
from zkmq.aio import async_working
from zkmq.aio.async_item import AsyncItem
from zkmq.aio.async_operator_queue import AsyncOperatorQueue
from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.call import EndCall, PutCall, ReserveCall
from zkmq.aio.lane import Lane
from zkmq.aio.putting_lane import PuttingLane
from zkmq.aio.taking_lane import TakingLane
from zkmq.aio.task_calls import TaskCalls
from zkmq.aio.task_items import TOUCH, TaskItems, held_by
from zkmq.aio.threads import LoopThreads
from zkmq.doubt import Settled
from zkmq.errors import NotAppliedError
from zkmq.operating.operator_queue import MAX_REASON
from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry, entries_of
from zkmq.taking.finish import DONE, Done
from zkmq.taking.reserve import MAX_BATCH
from zkmq.working.graceful_stop import STOP_SIGNALS
from zkmq.working.work_settings import WorkSettings
from zkmq.working.working import Spawn, Worked, daemon

# How long `close` waits for the lanes' threads, after the queue is closed.
LANES_END_S = 1.0

log = logging.getLogger("zkmq.aio")


@dataclass(frozen=True, slots=True)
class AsyncReservation:
    """The result of one reserve; the attributes are those of `zkmq.Reservation`."""

    items: tuple[AsyncItem, ...]
    zxid: int | None = None
    read_zxid: int | None = None
    attempts: int = 0
    done: Done | None = None
    window: int = 1
    paused: bool = False
    looked: bool = True


class AsyncQueue(AsyncOperatorQueue):
    """The operations and guarantees of `zkmq.Queue`, for the tasks of one event loop.

    All tasks share one client. What several tasks ask at the same time goes to the servers
    together: puts in one pipelined put_many, in the order of the calls; reserves in one claim, of
    which who waits first gets first; acknowledgements in that same write. What fails for one of
    them fails for it alone. Nothing blocks the event loop.

    A call that is cancelled before it is sent is not sent. One that is under way goes on, and each
    method says what becomes of it. Every call ends at about its deadline.

    Args:
        queue: the synchronous queue; `connect` opens one.
        interrupt_lost: cancel the block of `async with item:`, and the handler of `work`, when the
            item is lost.
        spawn: starts threads.
    """

    def __init__(
        self, queue: BridgedQueue, *, interrupt_lost: bool = False, spawn: Spawn = daemon
    ) -> None:
        threads = LoopThreads(asyncio.get_running_loop(), spawn)
        super().__init__(queue, threads)
        # The last put of each task that was under way when the task was cancelled.
        self._interrupted: WeakKeyDictionary[asyncio.Task[Any], PutCall] = WeakKeyDictionary()
        self._closing: asyncio.Task[None] | None = None
        self._putting = PuttingLane(threads, queue.store, queue.put_many)
        self._taking = TakingLane(threads, queue)
        self._jobs = async_working.AsyncJobs(
            threads, interrupts=interrupt_lost, left=self._taking.look_after
        )
        self._lanes: tuple[Lane[Any], ...] = (self._putting, self._taking)
        self._calls = TaskCalls(threads.loop, lambda: queue.deadline_s)
        self._items = TaskItems(
            queue, threads, self._calls, self._taking, self._require_open, interrupts=interrupt_lost
        )
        threads.on_loop_closed = self._close_without_loop
        for lane in self._lanes:
            lane.start()

    @classmethod
    async def connect(
        cls,
        hosts: str,
        path: str = "/queue",
        *,
        connection: dict[str, Any] | None = None,
        interrupt_lost: bool = False,
        **settings: Any,
    ) -> Self:
        """Open a session and the queue on it; the arguments are those of `zkmq.Queue.connect`.

        `lost` and `on_returned` are called in the event loop. If the task is cancelled, a session
        that opens all the same is closed.

        Raises:
            NoQuorumError: no session in time.
            AccessDeniedError: the servers refused the credentials.
            IncompatibleTreeError: the node at `path` is no queue, or this version is too old.
        """
        threads = LoopThreads(asyncio.get_running_loop())
        for name in ("lost", "on_returned"):
            if settings.get(name) is not None:
                settings[name] = partial(threads.tell, settings[name])
        queue = await threads.open(
            "zkmq-aio-connect",
            partial(BridgedQueue.connect, hosts, path, connection=connection, **settings),
            BridgedQueue.close,
        )
        return cls(queue, interrupt_lost=interrupt_lost)

    @property
    def consumer_id(self) -> str | None:
        """The consumer's id; None before the first reserve, and after its session ended."""
        return self._queue.consumer_id

    @property
    def producer_id(self) -> str:
        """The id of the producer's ticket."""
        return self._queue.producer_id

    @property
    def held(self) -> tuple[AsyncItem, ...]:
        """What this client's consumer holds now, for tasks or for reserves to come."""
        return tuple(map(self._items.item_of, self._queue.held))

    async def put(
        self,
        data: bytes,
        *,
        priority: int = 100,
        delay_s: float = 0.0,
        ttr_s: float | None = None,
        dedup_id: str | None = None,
        expires_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        group: str | None = None,
    ) -> Put:
        """Append an item. The options are those of `zkmq.Queue.put`.

        If the task is cancelled, the item may be put all the same; `resolve()` of this queue tells.

        Raises:
            AsyncOutcomeUnknownError: no answer before the deadline; await its `resolve()`.
            BadArgumentError: the queue does not accept a value.
            QueueFullError: about `max_items` items wait.
            NoQuorumError: certainly not put.
        """
        entry = Entry(
            data=data,
            priority=priority,
            delay_s=delay_s,
            ttr_s=ttr_s,
            dedup_id=dedup_id,
            expires_s=expires_s,
            headers=headers,
            content_type=content_type,
            group=group,
        )
        return (await self._put([entry]))[0]

    async def put_many(self, items: Iterable[bytes | Entry], *, priority: int = 100) -> list[Put]:
        """Append items in order; return one Put for each.

        If the task is cancelled, items may be put all the same; `resolve()` of this queue tells.

        Raises:
            AsyncOutcomeUnknownError: no answer before the deadline. `applied` has the puts that are
                certain, and `doubtful` is the number of items after those that are in doubt.
            PartlyPutError: some items are put, and the others certainly not.
            BadArgumentError: the queue does not accept a value; nothing is put.
            QueueFullError: about `max_items` items wait; nothing is put.
            NoQuorumError: certainly nothing is put.
        """
        return await self._put(entries_of(items, priority))

    async def resolve(self) -> tuple[Settled, ...]:
        """Find out what became of this task's last put that was cancelled under way.

        Use it after `asyncio.timeout`, or another cancellation, ended a put. Waits until the put
        has an outcome. Returns none if nothing was sent, and if the outcome was told before.

        Raises:
            AsyncOutcomeUnknownError: still no answer before the deadline; call again.
        """
        self._require_open()
        task = asyncio.current_task()
        call = self._interrupted.get(task) if task is not None else None
        if call is None:
            return ()
        answer = await self._calls.settled(call)
        self._interrupted.pop(task, None)  # type: ignore[arg-type]  # there is a call of it
        return answer

    async def reserve(
        self,
        n: int = 1,
        *,
        timeout_s: float = 0.0,
        done: Sequence[AsyncItem] = (),
        sync: bool = False,
    ) -> AsyncReservation:
        """Take up to `n` items, most urgent and oldest first, and hold them until `done`.

        The arguments are those of `zkmq.Queue.reserve`. If the task is cancelled, it holds nothing:
        what comes for it goes to the next reserve, or back to its place if none waits, and then the
        delivery does not count. `done` may take effect all the same.

        Raises:
            AsyncOutcomeUnknownError: no answer before the deadline. The next reserve gets what was
                claimed, if anything was.
            AsyncAckUnknownError: the session ended with `done` in doubt.
            NotHeldError: an item of `done` is not held; nothing is acknowledged or taken.
            NoQuorumError: nothing took effect.
        """
        checks.number("reserve: n", n, 1, MAX_BATCH)
        checks.seconds("reserve: timeout_s", timeout_s, endless=True)
        self._require_open()
        acked, ending = None, None
        if done:
            ending = EndCall(self._threads.loop, held_by(done), self._queue.done, DONE)
            acked = await self._items.earlier(done, (DONE,))
        if ending is not None and acked is None:
            self._calls.hand_over(self._taking, ending)
        until_s = self._queue.store.now() + timeout_s
        call = ReserveCall(self._threads.loop, n, until_s=until_s, sync=sync)
        # Before the wait for the other, so that they go together.
        self._calls.hand_over(self._taking, call, timeout_s)
        if ending is not None and acked is None:
            try:
                acked = await self._items.answer_end(ending, done)
            except BaseException:
                self._calls.leave(self._taking, call)
                raise
        try:
            found = await self._calls.answer(self._taking, call)
        except NotAppliedError:
            if acked is None:
                raise
            return AsyncReservation((), done=acked, looked=False)
        except BaseException:
            if ending is not None and ending.outcome is not None:
                self._items.remember(ending, done)  # the same call again tells
            raise
        items = tuple(map(self._items.item_of, found.items))
        return AsyncReservation(
            items,
            found.zxid,
            found.read_zxid,
            found.attempts,
            acked,
            found.window,
            found.paused,
            found.looked,
        )

    async def done(self, *items: AsyncItem) -> Done:
        """Acknowledge items, all or none: they are removed for ever.

        If the task is cancelled, it takes effect or it does not. The same call again tells: it
        waits for the outcome of the first, and is sent only if that had no effect.

        Raises:
            NotHeldError: one is not held any more; nothing took effect.
            AsyncAckUnknownError: the session ended with this in doubt. The items may come again.
            AsyncOutcomeUnknownError: no answer before the deadline.
        """
        return await self._items.end(self._queue.done, items, DONE)

    async def release(
        self, *items: AsyncItem, delay_s: float = 0.0, to: Literal["place", "back"] = "place"
    ) -> Done:
        """Give items back, all or none: to their old places, or to the back of their priorities.

        The options are those of `zkmq.Queue.release`. It is cancelled, and fails, as `done` is.
        """
        checks.choice("to", to, ("place", "back"))
        checks.item_seconds("release: delay_s", delay_s)
        act = partial(self._queue.release, delay_s=delay_s, to=to)
        return await self._items.end(act, items, "release", delay_s, to)

    async def touch(self, *items: AsyncItem) -> Done:
        """Start the time to run (`ttr_s`) of the items again. It fails as `done` does.

        If the task is cancelled, it takes effect or it does not. The same call again is sent again.
        """
        return await self._items.end(self._queue.touch, items, TOUCH)

    async def bury(self, *items: AsyncItem, reason: str) -> Done:
        """Put items aside as dead letters. It is cancelled, and fails, as `done` is."""
        checks.text("bury: reason", reason, MAX_REASON)
        act = partial(self._queue.bury, reason=reason)
        return await self._items.end(act, items, "bury", reason)

    async def work(
        self,
        handler: async_working.Handler,
        *,
        stop_on: Sequence[Signals] = STOP_SIGNALS,
        **settings: Any,
    ) -> Worked:
        """Await `handler(item)` for every item, until SIGTERM or Ctrl-C; tell what became of them.

        As `zkmq.Queue.work`, with up to `concurrency` handlers in tasks at once. With `batch`, the
        handler gets a list of items. What is not finished when the worker has to stop goes back,
        and its handler is cancelled. If the task that awaits this is cancelled, the same happens at
        once.

        Raises:
            BadArgumentError: a setting is not accepted, or `handler` is no async function.
            ClosedError, AccessDeniedError, IncompatibleTreeError: the queue cannot be used any
                more.
            WorkerStuckError: every handler runs for longer than `time_limit_s`, for example since
                one of them blocks the event loop.
        """
        self._require_open()
        chosen = WorkSettings(**settings)
        return await async_working.work(self._queue, self._jobs, handler, chosen, stop_on)

    def consume(
        self, *, stop_on: Sequence[Signals] = (SIGTERM,), **settings: Any
    ) -> AsyncIterator[AsyncItem]:
        """Give one item after the other: `async for item in queue.consume(): async with item: ...`.

        As `zkmq.Queue.consume`. Wrap it in `contextlib.aclosing` to stop the worker as soon as the
        loop is left.

        Raises:
            BadArgumentError: a setting is not accepted, or a turn of the loop did not use
                `async with item:`.
        """
        self._require_open()
        chosen = WorkSettings.of_loop(**settings)
        return async_working.consume(self._queue, self._jobs, chosen, stop_on)

    async def close(self) -> None:
        """Give back what is held, remove the registration, and end the session if it is ours.

        Ends within `deadline_s`, and within about six seconds, also without a server. Calls that
        wait end with a ClosedError. If the task is cancelled, the queue is closed all the same. In
        a forked child this ends nothing, because the queue is the parent's.
        """
        if self._threads.is_forked:
            return
        self._threads.require_here()
        if self._closing is None:
            self._is_closed = True
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _close(self) -> None:
        for lane in self._lanes:
            lane.stop()
        closed = self._threads.call("zkmq-aio-close", self._queue.close)
        try:
            await self._finish([closed])
            await self._finish([lane.ended for lane in self._lanes], LANES_END_S)
        finally:
            for lane in self._lanes:
                lane.abandon()
        closed.result()

    async def _finish(
        self, futures: Sequence[asyncio.Future[Any]], timeout_s: float | None = None
    ) -> None:
        """Wait for futures, also if the end of the loop cancels all tasks."""
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(futures, timeout=timeout_s)
                return

    def _close_without_loop(self) -> None:
        """Give back what is held when the loop ended before the queue was closed; on a thread."""
        if not self._is_closed:
            self._is_closed = True
            log.warning("the event loop ended before the queue was closed; await queue.close()")
            for lane in self._lanes:
                lane.stop()
            self._threads.spawn("zkmq-aio-close", self._queue.close)

    async def _put(self, entries: Sequence[Entry]) -> list[Put]:
        self._require_open()
        if not entries:
            return []
        call = PutCall(self._threads.loop, entries)
        self._calls.hand_over(self._putting, call)
        try:
            return await self._calls.answer(self._putting, call)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                self._interrupted.pop(task, None)  # `resolve` tells of this put
                if not call.drop():
                    self._interrupted[task] = call
            raise
