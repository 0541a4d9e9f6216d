"""The client while its gateway, or the quorum behind that, is away."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from integration.rest.exchange import HANGS_S, process, running, until
from integration.rest.outage import Relay
from kazoo.client import KazooClient

import zkmq
from harness.workers.gateway import hold_port
from worlds.wire.starvation import unless_starved
from zkmq.rest.client import Queue
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

Connect = Callable[..., Queue]
# The deadline of calls that nobody answers.
SHORT_S = 1.0


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
        assert time.monotonic() - started < HANGS_S
        queue.close()

    def test_put_in_doubt(self, served: tuple[str, str], connect: Connect) -> None:
        """A put without an answer is unknown; resolve settles it, and it is there once."""
        path = connect()._base.rpartition("/")[2]
        with Relay(served[0].removeprefix("http://")) as relay:
            queue = Queue(f"http://{relay.hosts}", path)
            queue.put(b"before")
            relay.freeze()
            queue.deadline_s = SHORT_S
            with pytest.raises(zkmq.OutcomeUnknownError) as unknown:
                queue.put(b"doubt")
            with pytest.raises(zkmq.OutcomeUnknownError):
                unknown.value.resolve()
            queue.deadline_s = HANGS_S
            relay.thaw()
            relay.cut()
            relay.mend()
            (settled,) = unknown.value.resolve()
            assert settled.took_effect
            assert queue.resolve() == (settled,)
            assert [each.data for each in queue.peek(5)] == [b"before", b"doubt"]
            queue.close()

    def test_reserve_in_doubt(self, served: tuple[str, str], connect: Connect) -> None:
        """What a reserve without an answer claimed comes with the next."""
        queue = connect()
        queue.put_many([b"a", b"b"])
        path = queue._base.rpartition("/")[2]
        with Relay(served[0].removeprefix("http://")) as relay:
            frail = Queue(f"http://{relay.hosts}", path, session_s=HANGS_S)
            frail.reserve(sync=True)
            relay.freeze()
            frail.deadline_s = SHORT_S
            with pytest.raises(zkmq.OutcomeUnknownError):
                frail.reserve()
            frail.deadline_s = HANGS_S
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
                session_s=HANGS_S,
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

        def cut_off() -> None:
            lost = threading.Event()
            with Relay(served[0].removeprefix("http://")) as relay:
                frail = Queue(
                    f"http://{relay.hosts}", path, session_s=1, lost=lambda *_: lost.set()
                )
                try:
                    (item,) = frail.reserve(timeout_s=HANGS_S, sync=True).items
                    relay.freeze()
                    assert lost.wait(HANGS_S)
                    assert item.hold is zkmq.Hold.LOST
                    (again,) = queue.reserve(timeout_s=HANGS_S).items
                    queue.release(again)
                    assert again.delivery == item.delivery + 1
                finally:
                    relay.thaw()
                    frail.close()

        unless_starved(cut_off)

    def test_kept_alive(self, connect: Connect) -> None:
        """A client that only works on its items keeps them: heart-beats go on behind."""

        def works() -> None:
            queue = connect(session_s=3)
            queue.put(b"a")
            items = queue.reserve(9, sync=True).items
            time.sleep(5)
            queue.done(*items)

        unless_starved(works)


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
        self.taking.join(120)
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
    with closing(hold_port()) as held:
        port = held.getsockname()[1]
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
            traffic.putting.join(120)
            # What the dead gateways' consumers held comes back when their sessions have expired.
            with zkmq.Queue.connect(f"{hosts}{top}", "/queue") as direct:
                until(lambda: _is_drained(direct), "the queue to drain", 120)
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
            queue = Queue.connect(f"http://127.0.0.1:{port}")
            queue.put(b"a")
            queue.deadline_s = 2.0
            relay.cut()
            started = time.monotonic()
            with pytest.raises((zkmq.OutcomeUnknownError, zkmq.NoQuorumError)):
                queue.put(b"b")
            assert time.monotonic() - started < HANGS_S
            relay.mend()
            until(lambda: succeeds(lambda: queue.put(b"c")), "puts to work again")
            queue.deadline_s = HANGS_S
            taken = [item.data for item in queue.reserve(99, sync=True).items]
            # A put whose outcome is unknown may be there, too.
            assert (taken[0], taken[-1]) == (b"a", b"c")
            assert set(taken) <= {b"a", b"b", b"c"}
            assert (taken.count(b"a"), taken.count(b"b") <= 1) == (1, True)
            queue.close()


def succeeds(call: Callable[[], Any]) -> bool:
    """Whether a call returns."""
    try:
        call()
    except zkmq.ZkmqError:
        return False
    return True
