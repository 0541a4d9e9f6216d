"""Tasks on asyncio queues and the ZooKeeper in memory, cancelled at any await, under faults.

The queue is the product's own, with its threads as actors. Everything that a task is told is noted,
and compared at the end with the leader's log.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from functools import partial
from random import Random
from typing import Any, TypeVar
from unittest import mock

from worlds.memory.faults import Drawn
from worlds.memory.network import MemoryClient, no_faults
from worlds.memory.store import MemoryStore, World
from worlds.rough_runs import ROOT, cut_all, keep_house, opened
from worlds.sim.ledger import Ledger
from worlds.sim.simulation import seeded
from worlds.tasks.handed import Got, SimProcess, Told
from worlds.tasks.item_calls import BlockError, ItemCalls
from worlds.tasks.virtual_loop import VirtualChanges, VirtualLoop, spawner
from zkmq import Queue
from zkmq.aio import AsyncItem, AsyncOutcomeUnknownError, AsyncQueue
from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.errors import ClosedError, NoQuorumError, NotAppliedError, PartlyPutError
from zkmq.putting.entry import Entry
from zkmq.tree.item import Hold
from zkmq.working import work_settings
from zkmq.zookeeper import call_lock

T = TypeVar("T")
DEADLINE_S = 3.0
WORKS_FOR_S = 12.0
# Then tasks are cancelled without other faults, so that nothing else frees what one has lost.
QUIET_S = 4.0
PRODUCERS, CONSUMERS, PUTS = 3, 6, 10
# How many requests meet a fault, so that runs have many cancellations or many doubts.
OFTEN = (0.004, 0.03)
# A close may use up its deadline, and a little for the threads.
CLOSED_WITHIN_S = 7.0


class RoughTasks(ItemCalls):
    """One run from one seed: `run` it, then ask for `wrong`."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        often = self.rng.choice(OFTEN)
        self.world = World(seed, followers=3, lag_s=0.05, faults=Drawn(self.rng, often))
        self.ledger = Ledger(self.world.leader, ROOT)
        self.told: list[Told] = []
        self.processes: list[SimProcess] = []
        self.trouble: list[str] = []
        self.tally: Counter[str] = Counter()
        self._is_over = False

    def run(self) -> None:
        """Put and take under faults, stop, look what is left."""
        scheduler = self.world.scheduler
        make = partial(VirtualChanges, scheduler)
        changes = mock.patch.object(call_lock, "Changes", make)
        draws = mock.patch.object(work_settings, "uniform", self.rng.uniform)
        with seeded(self.world.rng), changes, draws, self._unblocked():
            try:
                faults, self.world.faults = self.world.faults, no_faults
                Queue(self.world.client("maker"), ROOT, janitor=False, segment_items=5).close()
                self.world.faults = faults
                scheduler.spawn("janitor", lambda: keep_house(self.world, self._open))
                for number in range(2):
                    self._spawn(f"process-{number}")
                self._strike()
                self._wind_up()
            finally:
                scheduler.stop()

    @contextmanager
    def _unblocked(self) -> Iterator[None]:
        """Note requests, and waits for a lock, that an event loop's own thread makes."""
        send, enter = MemoryClient._send, call_lock.CallLock._enter

        def checked(call: Any) -> Any:
            def check(*arguments: Any) -> Any:
                if asyncio._get_running_loop() is not None:
                    self.trouble.append("a call blocks the event loop")
                return call(*arguments)

            return check

        with (
            mock.patch.object(MemoryClient, "_send", checked(send)),
            mock.patch.object(call_lock.CallLock, "_enter", checked(enter)),
        ):
            yield

    @property
    def wrong(self) -> Iterator[str]:
        """What must not be."""
        yield from self.trouble
        yield from map(str, self.ledger.wrong)
        for told in self.told:
            was_put = told.data in self.ledger.places
            if told.is_put is not None and told.is_put is not was_put:
                words = "put" if told.is_put else "not put"
                yield f"{told.data!r}: told {words}, and that is false"
        for process in self.processes:
            if process.was_killed:
                for got in process.got:
                    got.is_done = None
        everything = [got for process in self.processes for got in process.got]
        asked = {got.item.data for got in everything if got.asked}
        for data, paths in self.ledger.places.items():
            if not paths and data not in asked:
                yield f"{data!r}: acknowledged, and no task asked for that"
        for got in everything:
            yield from self._judge(got, everything)

    def _judge(self, got: Got, everything: list[Got]) -> Iterator[str]:
        is_acked = got.path in self.ledger.acknowledged
        # What one task leaves, another may get as the same delivery, and end it.
        hands = [each for each in everything if each.path == got.path and each.asked]
        is_last = not hands or got is hands[-1]
        if got.is_done is not None and got.is_done is not is_acked and (got.is_done or is_last):
            words = "done" if got.is_done else "not done"
            yield f"{got.path}: told {words}, and that is false"
        if got.item.hold is Hold.LOST and not (got.item.lost.is_set() or got.is_over):
            yield f"{got.path}: lost, and `lost` does not tell"
        later = [
            o.path for o in everything if o.item.data == got.item.data and o.delivery > got.delivery
        ]
        if is_acked and later:
            yield f"{got.path}: acknowledged, and delivered again: {later}"

    def _open(self, store: MemoryStore) -> BridgedQueue:
        return opened(BridgedQueue, store, deadline_s=DEADLINE_S)

    def _spawn(self, name: str) -> None:
        process = SimProcess(name, self.world.client(name))
        self.processes.append(process)
        process.actors.append(self.world.scheduler.spawn(name, lambda: self._live(process)))

    def _live(self, process: SimProcess) -> None:
        try:
            bridged = self._open(process.store)
        except ClosedError:  # it was killed
            process.is_over = True
            return
        loop = VirtualLoop(self.world.scheduler)
        loop.set_exception_handler(lambda _, about: self._unforeseen(process, about))
        try:
            loop.run_until_complete(self._main(process, bridged))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _unforeseen(self, process: SimProcess, about: dict[str, Any]) -> None:
        self.trouble.append(f"{process.name}: {about['message']}: {about.get('exception')!r}")

    async def _main(self, process: SimProcess, bridged: BridgedQueue) -> None:
        queue = AsyncQueue(
            bridged,
            interrupt_lost=self.rng.random() < 0.5,
            spawn=spawner(self.world.scheduler, process.actors),
        )
        bodies = [self._produce(process, queue, number) for number in range(PRODUCERS)]
        bodies += [self._consume(process, queue) for _ in range(CONSUMERS)]
        bodies += [self._run_workers(process, queue), self._operate(process, queue)]
        process.tasks = [asyncio.ensure_future(body) for body in bodies]
        while not self._is_over and not process.was_killed:
            await asyncio.sleep(0.004)
            # Let the event loop be busy, so that answers and cancellations come together.
            self.world.scheduler.sleep(self.rng.choice((0.0, 0.002, 0.008)))
            if process.limits and self.rng.random() < 0.5:
                limit = self.rng.choice(list(process.limits))
                del process.limits[limit]
                if (timer := limit._timeout_handler) is not None:  # type: ignore[attr-defined]
                    timer.cancel()
                    limit._on_timeout()  # type: ignore[attr-defined]  # before the loop's next turn
        for task in process.tasks:
            task.cancel()
        await asyncio.gather(*process.tasks, return_exceptions=True)
        for task in process.tasks:
            if task.cancelled() or process.was_killed:
                continue
            if (error := task.exception()) is not None:
                self.trouble.append(f"{process.name}: a task ended with {error!r}")
        if not process.was_killed:
            await self._end(process, queue)
        await queue.close()
        process.is_over = True

    async def _end(self, process: SimProcess, queue: AsyncQueue) -> None:
        """Without a fault, what no task has in hand goes back; a close ends what waits."""
        await asyncio.sleep(30.0)
        left = [i for i in queue.held if id(i.item) not in process.in_hand]
        if left:
            self.trouble.append(f"{process.name}: held by no task: {left}")
        await queue.pause("the end")
        waiter = asyncio.ensure_future(queue.reserve(timeout_s=float("inf")))
        await asyncio.sleep(1.0)
        began_s = self.world.scheduler.now_s
        await queue.close()
        if self.world.scheduler.now_s - began_s > CLOSED_WITHIN_S:
            self.trouble.append(f"{process.name}: closed after its deadline")
        if not isinstance(waiter.exception(), ClosedError):
            self.trouble.append(f"{process.name}: a waiting call ended with {waiter!r}")

    async def _run_workers(self, process: SimProcess, queue: AsyncQueue) -> None:
        while not process.was_killed:
            if self.rng.random() < 0.5:
                await self._run_worker(process, queue)
            else:
                await self._run_consumer(process, queue)

    async def _run_consumer(self, process: SimProcess, queue: AsyncQueue) -> None:
        """Iterate over `consume`, and leave the loop, which may then be garbage."""
        turns = self.rng.choice((1, 3, 10))
        jobs = queue.consume(prefetch=2, retry_s=0.5, retry_most_s=2.0)
        async with AsyncExitStack() as stack:
            # Garbage that an exception holds is no garbage yet.
            stack.push_async_exit(aclosing(jobs))
            async for item in jobs:
                got = self._take(process, item)
                got.asked = True
                try:
                    async with item:
                        await asyncio.sleep(self.rng.choice((0.0, 0.01, 1.0)))
                        got.asked = False
                        self._fail_at_times()
                        got.asked = True
                finally:
                    got.is_over = True
                    process.in_hand.discard(id(item.item))
                turns -= 1
                if not turns:
                    break
            if self.rng.random() < 0.3:
                stack.pop_all()
                del jobs  # the traceback of a block's error, which a log keeps, has this frame
        self.tally["loop left"] += 1

    async def _limited(self, process: SimProcess, call: Awaitable[T]) -> T:
        """Await a call, of which one in three is cancelled at some time."""
        if self.rng.random() < 0.5:
            return await call
        within_s = self.rng.choice((0.0, 0.005, 0.01, 0.02, 0.1)) * self.rng.random()
        async with asyncio.timeout(within_s) as limit:
            process.limits[limit] = None
            try:
                return await call
            finally:
                process.limits.pop(limit, None)

    async def _produce(self, process: SimProcess, queue: AsyncQueue, producer: int) -> None:
        for number in range(PUTS):
            count = self.rng.choice((1, 1, 1, 3, 12))
            telling = [
                Told(f"{process.name}/{producer}/{number}/{part}".encode()) for part in range(count)
            ]
            self.told += telling
            await self._put(process, queue, telling)
            if process.was_killed:
                for told in telling:
                    told.is_put = None
                return
            await asyncio.sleep(self.rng.choice((0.0, 0.01, 0.5, 3.0)))

    async def _put(self, process: SimProcess, queue: AsyncQueue, telling: list[Told]) -> None:
        many = [self._entry(told.data) for told in telling]
        put = queue.put_many(many) if len(many) > 1 else queue.put(**_options(many[0]))
        flags: list[bool | None] = []
        try:
            await self._limited(process, put)  # type: ignore[arg-type]
            flags = [True] * len(many)
        except TimeoutError:
            self.tally["put cancelled"] += 1
            if many[0].dedup_id is not None:
                await self._put_again(queue, many[0])
                telling[0].is_put = True
                return
            settled = await self._settled(queue.resolve)
            flags = [one.took_effect for one in settled for _ in range(one.items)]
            if not settled:
                self.tally["put dropped"] += 1
                flags = [False] * len(many)
        except PartlyPutError as error:
            flags = [True] * len(error.applied)
        except NotAppliedError:
            self.tally["put refused"] += 1
        except AsyncOutcomeUnknownError as error:
            self.tally["put unknown"] += 1
            answers = await self._settled(error.resolve)
            flags = [True] * len(error.applied)
            flags += [one.took_effect for one in answers for _ in range(one.items)]
        flags += [False] * (len(many) - len(flags))
        for told, flag in zip(telling, flags, strict=True):
            told.is_put = flag

    def _entry(self, data: bytes) -> Entry:
        group, ttr_s = self.rng.choice((None, None, "a", "b")), self.rng.choice((None, None, 4.0))
        dedup_id = data.decode() if data.endswith(b"/0") and self.rng.random() < 0.3 else None
        return Entry(data=data, group=group, ttr_s=ttr_s, dedup_id=dedup_id)

    async def _put_again(self, queue: AsyncQueue, entry: Entry) -> None:
        """Put what may be put already; its `dedup_id` lets in one."""
        while True:
            with suppress(NoQuorumError, AsyncOutcomeUnknownError):
                put = await queue.put(**_options(entry))
                self.tally["duplicate"] += put.duplicate
                return
            await asyncio.sleep(0.1)

    async def _settled(self, resolve: Any) -> tuple[Any, ...]:
        while True:
            with suppress(NoQuorumError, AsyncOutcomeUnknownError):
                answers: tuple[Any, ...] = await resolve()
                return answers
            await asyncio.sleep(0.1)

    async def _consume(self, process: SimProcess, queue: AsyncQueue) -> None:
        acks: list[Got] = []
        try:
            while not process.was_killed:
                await self._consume_once(process, queue, acks)
        finally:
            for got in acks:
                await self._leave(process, queue, got)

    async def _consume_once(self, process: SimProcess, queue: AsyncQueue, acks: list[Got]) -> None:
        n, timeout_s = self.rng.choice((1, 1, 4)), self.rng.choice((0.0, 0.1, 2.0))
        try:
            found = await self._reserve(process, queue, acks, n, timeout_s)
        except TimeoutError:
            self.tally["reserve cancelled"] += 1
            return
        except (NotAppliedError, AsyncOutcomeUnknownError):
            self.tally["reserve failed"] += 1
            return
        gotten = [self._take(process, item) for item in found.items]
        try:
            for got in gotten:
                try:
                    if not acks and self.rng.random() < 0.1:
                        acks.append(got)
                    else:
                        await self._work(process, queue, got)
                finally:
                    if got not in acks:
                        process.in_hand.discard(id(got.item.item))
        finally:
            # A program that does not do this holds them until `close`.
            for got in gotten:
                if got not in acks:
                    await self._leave(process, queue, got)
        await asyncio.sleep(self.rng.choice((0.0, 0.0, 0.02)))

    async def _leave(self, process: SimProcess, queue: AsyncQueue, got: Got) -> None:
        process.in_hand.discard(id(got.item.item))
        if not got.is_left:
            await queue._items.end_block(got.item, asyncio.CancelledError())

    def _take(self, process: SimProcess, item: AsyncItem) -> Got:
        self.tally["got"] += 1
        path = f"{ROOT}/consumers/{item.item.consumer}/item/{item.name}"
        if id(item.item) in process.in_hand:
            self.trouble.append(f"{path}: in the hands of two tasks")
        if item.hold in {Hold.DONE, Hold.RETURNED}:
            self.trouble.append(f"{path}: handed out, though it is {item.hold.value}")
        process.in_hand.add(id(item.item))
        got = Got(item, path, item.delivery)
        process.got.append(got)
        return got

    async def _work(self, process: SimProcess, queue: AsyncQueue, got: Got) -> None:
        chance = self.rng.random()
        if self.rng.random() < 0.1:
            await self._touch(process, queue, got)
        if chance < 0.13:
            await self._done(process, queue, got)
            return
        if chance < 0.2:
            await self._bury(process, queue, got)
            return
        if chance < 0.75:  # most go round, so that there is always something to take
            with suppress(NotAppliedError, AsyncOutcomeUnknownError):
                await queue.release(got.item)
                got.is_left = True
            return
        got.is_left = True
        try:
            async with asyncio.timeout(self.rng.choice((None, None, 0.005, 0.5))):
                async with got.item:
                    await asyncio.sleep(self.rng.choice((0.0, 0.01, 1.0)))
                    self._fail_at_times()
                    got.asked = True
            got.is_done = True
        except BlockError:
            self.tally["block failed"] += 1
        except TimeoutError:
            self.tally["block cancelled"] += 1
        except NotAppliedError:
            self.tally["not held"] += 1
        except AsyncOutcomeUnknownError as error:
            await self._learn(got, error)

    def _fail_at_times(self) -> None:
        if self.rng.random() < 0.2:
            raise BlockError

    async def _done(self, process: SimProcess, queue: AsyncQueue, got: Got) -> None:
        """Acknowledge, again and again until it is told what became of it."""
        got.asked = True
        was_cancelled = False
        while True:
            got.is_done = None
            try:
                await self._limited(process, queue.done(got.item))
            except TimeoutError:
                self.tally["done cancelled"] += 1
                was_cancelled = True
                if self.rng.random() < 0.3:  # give it back, unless it turns out to be done
                    return
            except NoQuorumError:
                self.tally["done refused"] += 1
            except NotAppliedError:
                self.tally["not held"] += 1
                self._judge_not_held(got)
                # If one was cancelled, the session may have ended with that in doubt.
                got.is_done = None if was_cancelled else False
                return
            except AsyncOutcomeUnknownError as error:
                await self._learn(got, error)
                if got.is_done is not False:
                    return
            else:
                got.is_left = got.is_done = True
                self.tally["done"] += 1
                return

    async def _learn(self, got: Got, error: AsyncOutcomeUnknownError) -> None:
        self.tally["done unknown"] += 1
        (answer,) = await self._settled(error.resolve)
        got.is_done = answer.took_effect

    def _strike(self) -> None:
        """Cut connections, end sessions, and kill and replace a process."""
        scheduler, rng = self.world.scheduler, self.rng
        ends_s = scheduler.now_s + WORKS_FOR_S
        while scheduler.now_s < ends_s:
            scheduler.sleep(rng.uniform(1.0, 5.0))
            alive = [each for each in self.processes if not each.was_killed]
            match rng.choice(("leader", "leader", "outage", "session", "kill")):
                case "leader":
                    cut_all(self.world, rng.uniform(0.2, 2.0))
                case "outage":
                    cut_all(self.world, rng.uniform(4.0, 12.0))
                case "session":
                    rng.choice(alive).store.expire()
                case "kill" if len(self.processes) < 4:
                    self._kill(rng.choice(alive))
                    self._spawn(f"process-{len(self.processes)}")
                case _:
                    pass

    def _kill(self, process: SimProcess) -> None:
        """Crash its client. Its tasks go on for a moment, and what they are told is no matter."""
        self.tally["killed"] += 1
        process.was_killed = True
        process.store.crash()

    def _wind_up(self) -> None:
        scheduler = self.world.scheduler
        self.world.faults = no_faults
        scheduler.sleep(QUIET_S)
        self._is_over = True
        until_s = scheduler.now_s + 200.0
        while not all(each.is_over for each in self.processes):
            if scheduler.now_s > until_s:
                self.trouble.append("a process did not end in time")
                break
            scheduler.sleep(0.5)
        for actor in [actor for each in self.processes for actor in each.actors]:
            if not actor.finished and actor.name.startswith("zkmq-aio"):
                self.trouble.append(f"{actor.name}: goes on after the end")
            if actor.error is not None:
                self.trouble.append(f"{actor.name}: {actor.error!r}")


def _options(entry: Entry) -> dict[str, Any]:
    """The arguments of a put of one entry."""
    return {name: getattr(entry, name) for name in ("data", "group", "ttr_s", "dedup_id")}
