"""What the queue benchmark times: a side does a fixed number of items and says items a second."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from kazoo.client import KazooClient
from kazoo.recipe.queue import LockingQueue

from zkmq import Queue
from zkmq.aio import AsyncQueue

PAYLOAD = b"x" * 100
ONE_BY_ONE = 200  # items of a round where each is a request of its own
PIPELINED = 8
BATCH = 100
BATCHES = 30
FILL = 20_000
WORKED = 1_000  # items of a round of a worker, or of tasks
TASKS = 200
THREADS = 8


class Bench:
    """Sessions and names that all rows share."""

    def __init__(self, hosts: str) -> None:
        self.hosts = hosts
        self.client = KazooClient(hosts=hosts, timeout=10)
        self.client.start(timeout=30)
        self._names = itertools.count()
        self._queues: list[Queue] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for queue in self._queues:
            queue.close()
        self.client.stop()
        self.client.close()

    def path(self, kind: str) -> str:
        """Return a path that nobody used before."""
        return f"/bench-{kind}-{next(self._names)}"

    def queue(self, path: str | None = None, **settings: Any) -> Queue:
        """Open a queue, by default one of its own."""
        queue = Queue.connect(self.hosts, path or self.path("zkmq"), **settings)
        self._queues.append(queue)
        return queue


class Sides:
    """The sides of every row with one process each."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._queue = bench.queue()
        self._bare = bench.path("bare")
        bench.client.create(self._bare)
        self._locking_path = bench.path("locking")
        self._locking = LockingQueue(bench.client, self._locking_path)

    def put_one(self) -> float:
        """Put, one at a time."""
        with rate(ONE_BY_ONE) as told:
            for _ in range(ONE_BY_ONE):
                self._queue.put(PAYLOAD)
        return told[0]

    def bare_create(self) -> float:
        """Create a sequence node, one at a time."""
        path = f"{self._bare}/item-"
        with rate(ONE_BY_ONE) as told:
            for _ in range(ONE_BY_ONE):
                self._bench.client.create(path, PAYLOAD, sequence=True)
        return told[0]

    def put_many_100(self) -> float:
        """Put in one call, which sends batches of 100, pipelined as the library sees fit."""
        with rate(BATCH * BATCHES) as told:
            self._queue.put_many([PAYLOAD] * (BATCH * BATCHES))
        return told[0]

    def bare_multi_100(self) -> float:
        """Send multis of 100 creates, PIPELINED of them under way."""
        path = f"{self._bare}/item-"
        under_way: deque[Any] = deque()
        with rate(BATCH * BATCHES) as told:
            for _ in range(BATCHES):
                transaction = self._bench.client.transaction()
                for _ in range(BATCH):
                    transaction.create(path, PAYLOAD, sequence=True)
                under_way.append(transaction.commit_async())
                if len(under_way) >= PIPELINED:
                    under_way.popleft().get(timeout=30)
            while under_way:
                under_way.popleft().get(timeout=30)
        return told[0]

    def locking(self) -> float:
        """Get and consume, one at a time, with kazoo's LockingQueue."""
        self._locking.put_all([PAYLOAD] * ONE_BY_ONE)
        with rate(ONE_BY_ONE) as told:
            for _ in range(ONE_BY_ONE):
                self._locking.get(timeout=30)
                self._locking.consume()
        return told[0]

    def take(self, n: int) -> Callable[[], float]:
        """Return a side that reserves n, then acknowledges them."""
        queue, count = self._bench.queue(), ONE_BY_ONE if n == 1 else n * BATCHES

        def side() -> float:
            fill(queue, count)
            return reserve_and_done(queue, n, count)

        return side

    def take_fused(self, n: int) -> Callable[[], float]:
        """Return a side that acknowledges the last n in the write that reserves the next."""
        queue = self._bench.queue()

        def side() -> float:
            fill(queue, ONE_BY_ONE)
            held: tuple[Any, ...] = ()
            with rate(ONE_BY_ONE) as told:
                for _ in range(ONE_BY_ONE // n):
                    held = queue.reserve(n, done=held).items
                queue.done(*held)
            return told[0]

        return side

    def consume(self) -> tuple[Callable[[], float], Callable[[], float]]:
        """Return the loop of `consume`, and a loop that reserves and acknowledges one by one."""
        queue = self._bench.queue()

        def consumed() -> float:
            fill(queue, WORKED)
            with rate(WORKED) as told:
                for job in queue.consume(idle_s=0):
                    with job:
                        pass
            return told[0]

        return consumed, self._by_hand(queue, 1, 1)

    def work(self, threads: int, n: int) -> tuple[Callable[[], float], Callable[[], float]]:
        """Return a worker on `threads`, which takes n at a time, and as many loops by hand."""
        queue = self._bench.queue()

        def worked() -> float:
            fill(queue, WORKED)
            with rate(WORKED) as told:
                done = queue.work(
                    lambda _: None, concurrency=threads, batch=n if n > 1 else None, idle_s=0
                )
            assert done.done == WORKED
            return told[0]

        return worked, self._by_hand(queue, threads, n)

    def _by_hand(self, queue: Queue, threads: int, n: int) -> Callable[[], float]:
        def loop() -> None:
            while items := queue.reserve(n).items:
                queue.done(*items)

        def by_hand() -> float:
            fill(queue, WORKED)
            with rate(WORKED) as told, ThreadPoolExecutor(threads) as pool:
                for ended in [pool.submit(loop) for _ in range(threads)]:
                    ended.result()
            return told[0]

        return by_hand

    def aio_put(self) -> tuple[Callable[[], float], Callable[[], float]]:
        """Return puts by TASKS tasks of an event loop, and by THREADS threads."""
        path = self._bench.path("aio")
        queue = self._bench.queue(path, deadline_s=300.0)  # a thread's turn may be far away

        async def tasks() -> float:
            async with await AsyncQueue.connect(self._bench.hosts, path) as shared:
                numbers = iter(range(WORKED))

                async def put() -> None:
                    for _ in numbers:
                        await shared.put(PAYLOAD)

                await shared.put(PAYLOAD)
                with rate(WORKED) as told:
                    await asyncio.gather(*(put() for _ in range(TASKS)))
                return told[0]

        def threads() -> float:
            with ThreadPoolExecutor(THREADS) as pool, rate(WORKED) as told:
                for ended in [pool.submit(queue.put, PAYLOAD) for _ in range(WORKED)]:
                    ended.result()
            return told[0]

        return lambda: asyncio.run(tasks()), threads

    def aio_take(self) -> tuple[Callable[[], float], Callable[[], float]]:
        """Return reserves, each with its done, by TASKS tasks of an event loop, and by threads."""
        path = self._bench.path("aio")
        queue = self._bench.queue(path, deadline_s=300.0)  # a thread's turn may be far away

        async def tasks() -> float:
            fill(queue, WORKED)
            async with await AsyncQueue.connect(self._bench.hosts, path) as shared:

                async def take() -> None:
                    while items := (await shared.reserve()).items:
                        await shared.done(*items)

                with rate(WORKED) as told:
                    await asyncio.gather(*(take() for _ in range(TASKS)))
                return told[0]

        return lambda: asyncio.run(tasks()), self._by_hand(queue, THREADS, 1)

    def backlog(self, size: int) -> tuple[Callable[[], float], Callable[[], float]]:
        """Return taking in batches of 10 from a queue with `size` more waiting, and from none."""
        full, empty = self._bench.queue(), self._bench.queue()
        fill(full, size)

        def from_full() -> float:
            fill(full, 10 * BATCHES)
            return reserve_and_done(full, 10, 10 * BATCHES)

        def from_empty() -> float:
            fill(empty, 10 * BATCHES)
            return reserve_and_done(empty, 10, 10 * BATCHES)

        return from_full, from_empty


def reserve_and_done(queue: Queue, n: int, count: int) -> float:
    """Take `count` items in batches of n; return items a second."""
    left = count
    with rate(count) as told:
        while left > 0:
            items = queue.reserve(n, timeout_s=30).items
            queue.done(*items)
            left -= len(items)
    return told[0]


def fill(queue: Queue, count: int) -> None:
    """Put items, not timed, in calls small enough for each one's deadline."""
    for begin in range(0, count, FILL):
        queue.put_many([PAYLOAD] * min(FILL, count - begin))


@contextmanager
def rate(items: int) -> Iterator[list[float]]:
    """Time the block; afterwards the list holds its items a second."""
    told = [0.0]
    began = time.perf_counter()
    yield told
    told[0] = items / (time.perf_counter() - began)
