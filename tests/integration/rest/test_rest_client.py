"""The client: the queue's interface and guarantees, also when answers are lost on the way."""

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from integration.rest.exchange import free_port, process, running, until
from integration.rest.outage import Relay
from kazoo.client import KazooClient

import zkmq
from zkmq.entry import Entry
from zkmq.rest.client import Queue
from zkmq.rest.config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served(hosts: str, zk: KazooClient) -> Iterator[tuple[str, str]]:
    """A gateway's URL, and the connect string of its root."""
    zk.ensure_path("/rest/client")
    chroot = f"{hosts}/rest/client"
    with running(GatewayConfig(endpoints=(EndpointConfig(hosts=chroot),), port=0)) as port:
        yield f"http://127.0.0.1:{port}", chroot


@pytest.fixture
def connect(served: tuple[str, str]) -> Iterator[Callable[..., Queue]]:
    """Opens clients of one new queue; closes them at the end."""
    path = f"/c{next(_numbers)}"
    opened: list[Queue] = []

    def connect(**settings: Any) -> Queue:
        opened.append(Queue.connect(served[0], path, **settings))
        return opened[-1]

    yield connect
    for queue in opened:
        queue.close()


Connect = Callable[..., Queue]


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
        assert queue.kick(1) == 1
        stats = queue.stats()
        assert (stats.waiting, stats.held, stats.dead, stats.consumers) == ({5: 1, 100: 2}, 0, 0, 1)
        assert queue.purge(5) == 1
        queue.purge()
        assert queue.reserve(sync=True).items == ()

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
        queue = connect()
        path = queue._base.rpartition("/")[2]
        with zkmq.Queue.connect(served[1], f"/{path}") as direct:
            for number in range(6):
                (queue if number % 2 else direct).put(str(number).encode())
            taken = [(direct if n % 2 else queue).reserve(sync=True).items[0] for n in range(6)]
            assert [item.data for item in taken] == [b"0", b"1", b"2", b"3", b"4", b"5"]
            assert len({item.consumer for item in taken}) == 2
            assert {item.consumer for item in taken} == {queue.consumer_id, direct.consumer_id}


class TestLostAnswers:
    """Requests are sent again; the outcome is as if they had been sent once."""

    @pytest.mark.parametrize("seed", [1, 2])
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


class TestGatewayDies:
    """The gateway goes away, and comes back, or does not."""

    def test_unreachable(self) -> None:
        """Nobody there: certainly not put, within the deadline."""
        queue = Queue("http://127.0.0.1:1", deadline_s=0.5)
        started = time.monotonic()
        with pytest.raises(zkmq.NoQuorumError):
            queue.put(b"a")
        with pytest.raises(zkmq.NoQuorumError):
            queue.reserve()
        assert time.monotonic() - started < 3
        queue.close()

    def test_put_in_doubt(self, served: tuple[str, str], connect: Connect) -> None:
        """A put without an answer is unknown; resolve settles it, and it is there once."""
        path = connect()._base.rpartition("/")[2]
        with Relay(served[0].removeprefix("http://")) as relay:
            queue = Queue(f"http://{relay.hosts}", path, deadline_s=1)
            queue.put(b"before")
            relay.freeze()
            with pytest.raises(zkmq.OutcomeUnknownError):
                queue.put(b"doubt")
            with pytest.raises(zkmq.OutcomeUnknownError):
                queue.resolve()
            relay.thaw()
            relay.cut()
            relay.mend()
            (settled,) = queue.resolve()
            assert settled.took_effect
            assert queue.resolve() == ()
            assert [each.data for each in queue.peek(5)] == [b"before", b"doubt"]
            queue.close()

    def test_reserve_in_doubt(self, served: tuple[str, str], connect: Connect) -> None:
        """What a reserve without an answer claimed comes with the next."""
        queue = connect()
        queue.put_many([b"a", b"b"])
        path = queue._base.rpartition("/")[2]
        with Relay(served[0].removeprefix("http://")) as relay:
            frail = Queue(f"http://{relay.hosts}", path, deadline_s=1)
            frail.reserve(sync=True)
            relay.freeze()
            with pytest.raises(zkmq.OutcomeUnknownError):
                frail.reserve()
            relay.thaw()
            relay.cut()
            relay.mend()
            assert [item.data for item in frail.reserve().items] == [b"b"]
            frail.close()

    def test_gateway_replaced(self, hosts: str, zk: KazooClient, top: str) -> None:
        """A new gateway at the same address: puts go on, the consumer is lost and said so."""
        endpoint = EndpointConfig(hosts=f"{hosts}{top}")
        lost: list[bytes] = []
        with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
            queue = Queue.connect(
                f"http://127.0.0.1:{port}",
                session_s=2,
                lost=lambda _, items: lost.extend(item.data for item in items),
            )
            queue.put_many([b"a", b"b"])
            (item,) = queue.reserve(sync=True).items
        with running(GatewayConfig(endpoints=(endpoint,), port=port)):
            queue.put(b"c")
            with pytest.raises(zkmq.ConsumerLostError):
                queue.done(item)
            assert (lost, item.hold) == ([b"a"], zkmq.Hold.LOST)
            assert [each.data for each in queue.reserve(5, sync=True).items] == [b"a", b"b", b"c"]
            queue.close()

    def test_silent_gateway(self, served: tuple[str, str], connect: Connect) -> None:
        """Cut off for session_s, the client knows that its items are lost, without being told."""
        queue = connect()
        queue.put(b"a")
        path = queue._base.rpartition("/")[2]
        lost = threading.Event()
        with Relay(served[0].removeprefix("http://")) as relay:
            frail = Queue(
                f"http://{relay.hosts}", path, session_s=1, lost=lambda *_: lost.set(), deadline_s=1
            )
            (item,) = frail.reserve(sync=True).items
            relay.freeze()
            assert lost.wait(3)
            assert item.hold is zkmq.Hold.LOST
            assert [each.delivery for each in queue.reserve(timeout_s=5).items] == [2]
            relay.thaw()
            frail.close()

    def test_kept_alive(self, connect: Connect) -> None:
        """A client that only works on its items keeps them: heart-beats go on behind."""
        queue = connect(session_s=1)
        queue.put(b"a")
        (item,) = queue.reserve(sync=True).items
        time.sleep(2.5)
        queue.done(item)


class Traffic:
    """One client that puts and one that takes, through whatever happens to the gateway."""

    def __init__(self, url: str, count: int) -> None:
        self._putter, self._taker = Queue(url, session_s=2), Queue(url, session_s=2)
        self._count = count
        self._over = threading.Event()
        self.acknowledged: list[bytes] = []
        self.delivered: Counter[bytes] = Counter()
        self.done: Counter[bytes] = Counter()
        self.putting = threading.Thread(target=self._put)
        self.taking = threading.Thread(target=self._take)

    def end(self) -> None:
        """Stop taking once there is nothing left."""
        self._over.set()
        self.taking.join(60)
        self._putter.close()
        self._taker.close()

    def _put(self) -> None:
        for number in range(self._count):
            data = str(number).encode()
            self._putter.put(data)
            self.acknowledged.append(data)
            time.sleep(0.01)

    def _take(self) -> None:
        while True:
            try:
                found = self._taker.reserve(3, sync=True)
            except zkmq.AckUnknownError:
                continue
            if not found.items and self._over.is_set():
                return
            self.delivered.update(item.data for item in found.items)
            for item in found.items:
                with contextlib.suppress(zkmq.NotHeldError, zkmq.AckUnknownError):
                    self._taker.done(item)
                    self.done[item.data] += 1


def test_gateway_killed(hosts: str, top: str) -> None:
    """A gateway killed -9, twice, while clients put and take: nothing lost, nothing done twice."""
    port = free_port()
    traffic = Traffic(f"http://127.0.0.1:{port}", 150)
    with process(f"{hosts}{top}", port) as (gateway, _):
        traffic.putting.start()
        traffic.taking.start()
        time.sleep(1)
        gateway.kill()
    with process(f"{hosts}{top}", port) as (gateway, _):
        time.sleep(1)
        gateway.kill()
    with process(f"{hosts}{top}", port):
        traffic.putting.join(60)
        # What the dead gateways' consumers held comes back when their sessions have expired.
        with zkmq.Queue.connect(f"{hosts}{top}", "/queue") as direct:
            until(lambda: _is_drained(direct), "the queue to drain", 30)
        traffic.end()
    assert len(traffic.acknowledged) == 150
    assert set(traffic.delivered) == set(traffic.acknowledged)
    assert max(traffic.done.values()) == 1


def _is_drained(queue: zkmq.Queue) -> bool:
    stats = queue.stats()
    return not stats.waiting.get(100, 0) and not stats.held


def test_quorum_outage(hosts: str, top: str) -> None:
    """ZooKeeper away: calls end about their deadline, as not applied or unknown; then go on."""
    with Relay(hosts) as relay:
        endpoint = EndpointConfig(hosts=f"{relay.hosts}{top}")
        limits = Limits(request_timeout_s=1, connect_wait_s=0.5)
        with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
            queue = Queue.connect(f"http://127.0.0.1:{port}", deadline_s=2)
            queue.put(b"a")
            relay.cut()
            started = time.monotonic()
            with pytest.raises((zkmq.OutcomeUnknownError, zkmq.NoQuorumError)):
                queue.put(b"b")
            assert time.monotonic() - started < 5
            relay.mend()
            until(lambda: succeeds(lambda: queue.put(b"c")), "puts to work again", 15)
            taken = [item.data for item in queue.reserve(9, sync=True).items]
            assert taken in ([b"a", b"c"], [b"a", b"b", b"c"])
            queue.close()


def succeeds(call: Callable[[], Any]) -> bool:
    """Whether a call returns."""
    try:
        call()
    except zkmq.ZkmqError:
        return False
    return True
