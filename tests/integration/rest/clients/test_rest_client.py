"""The client: the queue's interface and guarantees, also when answers are lost on the way."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import zkmq
from zkmq.putting.entry import Entry
from zkmq.rest.client import Queue

pytestmark = pytest.mark.docker

Connect = Callable[..., Queue]
# By these, more than 20 answers are lost, even if consumers ask no more often than they must.
SEEDS = [1, 14]


class Flaky(httpx.BaseTransport):
    """Loses requests before they are sent, and answers after they came, with a given chance."""

    def __init__(self, rng: random.Random, chance: float) -> None:
        self._rng, self._chance = rng, chance
        self._below = httpx.HTTPTransport()
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, or not; answer, or not."""
        if self._rng.random() < self._chance / 2:
            raise httpx.ConnectError("injected")
        response = self._below.handle_request(request)
        if self._rng.random() < self._chance / 2:
            response.read()
            response.close()
            self.lost += 1
            raise httpx.ReadError("injected")
        return response

    def close(self) -> None:
        """Close."""
        self._below.close()


class TestInterface:
    """The interface of `zkmq.Queue`."""

    def test_put_reserve_done(self, connect: Connect) -> None:
        """What is put is reserved with its delivery and fence, and done once."""
        queue = connect()
        put = queue.put(b"\x00\xff", priority=7)
        (item,) = queue.reserve(sync=True).items
        assert (item.data, item.priority, item.delivery) == (b"\x00\xff", 7, 1)
        assert (item.id, item.put_zxid) == (put.name, put.zxid)
        assert item.fence is not None
        done = queue.done(item)
        assert done.zxid is not None
        assert done.zxid > item.fence
        assert item.hold is zkmq.Hold.DONE
        with pytest.raises(zkmq.NotHeldError):
            queue.done(item)

    def test_put_many(self, connect: Connect) -> None:
        """A thousand entries come in order, in two writes."""
        queue = connect()
        puts = queue.put_many([str(n).encode() for n in range(1000)])
        assert len({put.zxid for put in puts}) == 2
        taken: list[int] = []
        while found := queue.reserve(500, sync=True).items:
            taken += [int(item.data) for item in found]
        assert taken == list(range(1000))

    def test_empty(self, connect: Connect) -> None:
        """An empty reserve says in which state the queue was empty; it waits as long as asked."""
        queue = connect()
        put = queue.put(b"a")
        queue.done(*queue.reserve(sync=True).items)
        started = time.monotonic()
        found = queue.reserve(timeout_s=0.4)
        assert found.items == ()
        assert found.read_zxid is not None
        assert put.zxid is not None
        assert found.read_zxid > put.zxid
        assert time.monotonic() - started > 0.3

    def test_fused(self, connect: Connect) -> None:
        """done= goes in the reserve's write."""
        queue = connect()
        queue.put_many([b"a", b"b"])
        (first,) = queue.reserve(sync=True).items
        found = queue.reserve(done=[first])
        assert found.done is not None
        assert found.done.zxid == found.zxid
        assert first.hold is zkmq.Hold.DONE

    def test_release_bury_kick_peek_purge_stats(self, connect: Connect) -> None:
        """The rest of the interface."""
        queue = connect()
        queue.put_many([b"a", b"b", Entry(data=b"c", priority=5, ttr_s=60)])
        c, a = queue.reserve(2, sync=True).items
        queue.touch(c)
        queue.bury(c, reason="bad")
        queue.release(a)
        assert [(p.data, p.reason) for p in queue.peek(place="dead")] == [(b"c", "bad")]
        assert [p.data for p in queue.peek(5)] == [b"a", b"b"]
        kicked = queue.kick(1)
        assert kicked.count == 1
        stats = queue.stats()
        assert (stats.waiting, stats.held, stats.dead, stats.consumers) == ({5: 1, 100: 2}, 0, 0, 1)
        purged = queue.purge(5)
        assert purged.count == 1
        assert (kicked.zxid or 0) < (purged.zxid or 0) < (queue.purge().zxid or 0)
        assert queue.reserve(sync=True).items == ()

    def test_single_items(self, connect: Connect, served: tuple[str, str]) -> None:
        """Single items are inspected and deleted, and dead letters go to another queue."""
        queue = connect()
        a, b, c = (str(put.name) for put in queue.put_many([b"a", b"b", b"c"]))
        found = queue.inspect(a)
        assert found is not None
        assert (found.data, found.place, found.consumer) == (b"a", "items", None)
        assert (queue.delete(a).count, queue.delete(a).count) == (1, 0)
        assert queue.inspect(a) is None
        held = queue.reserve(2, sync=True).items
        assert queue.held == held
        with pytest.raises(zkmq.ItemHeldError, match="holds"):
            queue.delete(b)
        queue.bury(*held, reason="bad")
        other = f"{queue.path}-other"
        with pytest.raises(zkmq.IncompatibleTreeError):
            queue.redrive(other)
        with Queue.connect(served[0], other) as target:
            target.put(b"first")
            assert queue.redrive(other, ids=[c]).count == 1
            assert queue.redrive(other, 5).count == 1
            assert [item.data for item in target.peek(5)] == [b"first", b"c", b"b"]

    def test_pause(self, connect: Connect, served: tuple[str, str]) -> None:
        """A pause over HTTP holds for all clients; its charter is that of a binary client."""
        queue = connect()
        queue.put(b"a")
        paused = queue.pause("for repair")
        with zkmq.Queue.connect(served[1], queue.path) as direct:
            assert direct.charter == paused
            assert direct.reserve(sync=True).items == ()
            assert queue.resume().paused is None
            assert queue.stats().paused is None
            assert [item.data for item in direct.reserve(sync=True).items] == [b"a"]

    def test_dedup(self, connect: Connect) -> None:
        """An id of the application's is refused the second time, also by a binary client."""
        queue = connect()
        assert not queue.put(b"a", dedup_id="x").duplicate
        assert connect().put(b"b", dedup_id="x").duplicate

    @pytest.mark.parametrize(
        ("call", "error"),
        [
            (lambda q: q.put("text"), zkmq.BadArgumentError),
            (lambda q: q.put(b"", priority=1000), zkmq.BadPriorityError),
            (lambda q: q.put(bytes(1_000_001)), zkmq.ValueTooLargeError),
            (lambda q: q.put_many([b""], batch=0), zkmq.BadArgumentError),
            (lambda q: q.reserve(0), zkmq.BadArgumentError),
            (lambda q: q.done(), zkmq.BadArgumentError),
            (lambda q: q.purge(1000), zkmq.BadArgumentError),
            (lambda q: q.inspect(""), zkmq.BadArgumentError),
            (lambda q: q.delete("a/b"), zkmq.BadArgumentError),
            (lambda q: q.redrive("/a/b"), zkmq.BadArgumentError),
            (lambda q: q.redrive(q.path), zkmq.BadArgumentError),
            (lambda q: q.redrive("/other", 0), zkmq.BadArgumentError),
            (lambda q: q.pause("x" * 2000), zkmq.BadArgumentError),
        ],
    )
    def test_refused(
        self, connect: Connect, call: Callable[[Queue], Any], error: type[Exception]
    ) -> None:
        """What zkmq.Queue refuses is refused alike, as certainly without effect."""
        with pytest.raises(error) as caught:
            call(connect())
        assert caught.value.definite  # type: ignore[attr-defined]

    def test_closed(self, connect: Connect) -> None:
        """A closed client says so; what it held is with others at once."""
        queue, other = connect(), connect()
        queue.put(b"a")
        queue.reserve(sync=True)
        queue.close()
        with pytest.raises(zkmq.ClosedError):
            queue.put(b"b")
        assert [item.delivery for item in other.reserve(sync=True).items] == [2]

    def test_beside_binary(self, connect: Connect, served: tuple[str, str]) -> None:
        """Both transports see one queue, one order, one owner."""
        queue = connect(order="strict")
        with zkmq.Queue.connect(served[1], queue.path, order="strict") as direct:
            for number in range(6):
                (queue if number % 2 else direct).put(str(number).encode())
            taken = [(direct if n % 2 else queue).reserve(sync=True).items[0] for n in range(6)]
            assert [item.data for item in taken] == [b"0", b"1", b"2", b"3", b"4", b"5"]
            assert len({item.consumer for item in taken}) == 2
            assert {item.consumer for item in taken} == {queue.consumer_id, direct.consumer_id}


class TestLostAnswers:
    """Requests are sent again; the outcome is as if they had been sent once."""

    @pytest.mark.parametrize("seed", SEEDS)
    def test_nothing_twice_nothing_lost(self, connect: Connect, seed: int) -> None:
        """With a fifth of all requests or answers lost: each put once, and done once."""
        flaky = [Flaky(random.Random(seed * 10 + number), 0.2) for number in range(6)]
        clients = [connect(http={"transport": each}) for each in flaky]
        taken: list[bytes] = []
        over = threading.Event()
        putting = [
            threading.Thread(target=produce, args=(clients[number], number, 30))
            for number in range(3)
        ]
        taking = [
            threading.Thread(target=consume, args=(client, random.Random(seed), taken, over))
            for client in clients[3:]
        ]
        for thread in (*putting, *taking):
            thread.start()
        for thread in putting:
            thread.join(60)
        over.set()
        for thread in taking:
            thread.join(60)
        assert Counter(taken) == Counter(f"{n}-{c}".encode() for n in range(3) for c in range(30))
        assert sum(each.lost for each in flaky) > 20
        assert connect().stats().held == 0

    def test_order_of_one_producer(self, connect: Connect) -> None:
        """Puts of one client stay in order through lost answers."""
        flaky = Flaky(random.Random(3), 0.3)
        queue = connect(http={"transport": flaky})
        for number in range(50):
            queue.put(str(number).encode())
        taken = connect().reserve(100, sync=True).items
        assert [int(item.data) for item in taken] == list(range(50))
        assert flaky.lost > 3


def produce(queue: Queue, number: int, count: int) -> None:
    """Put items named after their producer, one by one."""
    for each in range(count):
        queue.put(f"{number}-{each}".encode())


def consume(queue: Queue, rng: random.Random, taken: list[bytes], over: threading.Event) -> None:
    """Reserve a few at a time, release some, and note what is done, until all are."""
    while True:
        found = queue.reserve(rng.randint(1, 5), sync=True)
        if not found.items and over.is_set():
            return
        for item in found.items:
            if rng.random() < 0.2:
                queue.release(item)
            else:
                queue.done(item)
                taken.append(item.data)
