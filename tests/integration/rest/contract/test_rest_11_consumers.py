"""Section 11: consumers take items, and how long they live."""

import base64
import threading
import time

import pytest
from integration.rest.contract.http_queue import HttpQueue
from integration.rest.exchange import Rest, running
from kazoo.client import KazooClient

import zkmq
from worlds.wire.starvation import unless_starved
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker


class TestConsume:
    """11: consumers."""

    def test_reserve_and_done(self, queue: HttpQueue) -> None:
        """11: an item is delivered with id, delivery and fence; done removes it for ever."""
        put = queue.put(b"a").json()
        consumer = queue.consumer()
        (item,) = queue.reserve(consumer)
        assert item["id"] == put["ids"][0]
        assert (item["delivery"], item["put_zxid"]) == (1, put["zxid"])
        assert item["fence"] > put["zxid"]
        done = queue.end(consumer, "done", [item])
        assert done.status == 200
        assert done.json()["zxid"] > item["fence"]
        assert queue.reserve(consumer) == []
        assert queue.stats()["held"] == 0

    def test_empty(self, queue: HttpQueue) -> None:
        """11: an empty queue is 204, after wait_s, with the state in which it was seen."""
        queue.put(b"a")
        consumer = queue.consumer()
        queue.end(consumer, "done", queue.reserve(consumer))
        started = time.monotonic()
        answer = queue.post(f"consumers/{consumer}/reserve", {"wait_s": 0.5})
        assert answer.status == 204
        assert int(answer.headers["zkmq-read-zxid"]) > 0
        assert time.monotonic() - started > 0.4

    def test_waits(self, queue: HttpQueue) -> None:
        """11: a waiting reserve gets what is put meanwhile."""
        queue.put(b"first")
        consumer = queue.consumer()
        queue.end(consumer, "done", queue.reserve(consumer))

        def put_later() -> None:
            rest = Rest(queue.rest.host, queue.rest.port)
            rest.post(f"{queue.base}/items", b"news")
            rest.close()

        timer = threading.Timer(0.5, put_later)
        timer.start()
        # Longer than the client waits for the answer, which so comes before the time is over.
        assert queue.take(consumer, wait_s=300) == [b"news"]
        timer.join()

    def test_fused(self, queue: HttpQueue) -> None:
        """11: done goes in the same write as the next reserve."""
        queue.put(b"a", b"b")
        consumer = queue.consumer()
        first = queue.reserve(consumer)
        answer = queue.post(f"consumers/{consumer}/reserve", {"done": [first[0]["id"]]})
        assert answer.headers["zkmq-done-zxid"] == answer.headers["zkmq-zxid"]
        assert base64.b64decode(answer.json()[0]["data64"]) == b"b"

    def test_release(self, queue: HttpQueue) -> None:
        """11: released items come back in their old place, as another delivery."""
        queue.put(b"a", b"b")
        consumer = queue.consumer()
        (item,) = queue.reserve(consumer)
        assert queue.end(consumer, "release", [item]).status == 200
        (again,) = queue.reserve(consumer)
        assert (again["id"], again["delivery"]) == (item["id"], 2)
        assert again["name"] != item["name"]
        assert again["fence"] > item["fence"]

    def test_asked_again(self, queue: HttpQueue) -> None:
        """11: done and release asked for again, their answer lost, say the same again."""
        queue.put(b"a", b"b")
        consumer = queue.consumer()
        a, b = queue.reserve(consumer, 2)
        for verb, item in (("done", a), ("release", b)):
            first, second = (queue.end(consumer, verb, [item]) for _ in range(2))
            assert (first.status, second.status) == (200, 200)
            assert first.json() == second.json()
        assert queue.end(consumer, "release", [a]).status == 409
        assert queue.stats()["waiting"] == {"100": 1}

    def test_reserve_asked_again(self, queue: HttpQueue) -> None:
        """11: a reserve with the same key has the same items: none are lost with an answer."""
        queue.put(b"a", b"b")
        consumer = queue.consumer()
        first, second = (
            queue.post(f"consumers/{consumer}/reserve", {"n": 1}, Idempotency_Key="r1")
            for _ in range(2)
        )
        assert first.json() == second.json()
        assert queue.take(consumer) == [b"b"]

    @pytest.mark.parametrize("verb", ["done", "release", "touch", "bury"])
    def test_not_held(self, queue: HttpQueue, verb: str) -> None:
        """11: items that the consumer does not hold are 409, all or none, for a dead one too."""
        queue.put(b"a")
        consumer, other = queue.consumer(), queue.consumer()
        (item,) = queue.reserve(consumer)
        for who in (other, "consumer-none"):
            refused = queue.end(who, verb, [item])
            assert refused.status == 409
        mixed = queue.post(f"consumers/{consumer}/{verb}", {"ids": [item["id"], "item-none"]})
        assert (mixed.status, mixed.json()["error"]) == (409, "not-held")
        assert queue.stats()["held"] == 1

    def test_bury_and_kick(self, queue: HttpQueue) -> None:
        """11: buried items are aside until kicked, and can be looked at."""
        queue.put(b"a")
        consumer = queue.consumer()
        queue.end(consumer, "bury", queue.reserve(consumer), reason="bad")
        (dead,) = queue.rest.get(f"{queue.base}/items?place=dead").json()
        assert (base64.b64decode(dead["data64"]), dead["reason"]) == (b"a", "bad")
        kicked = queue.post("kick", {"n": 5}).json()
        assert kicked.keys() == {"kicked", "zxid"}
        assert kicked["kicked"] == 1
        assert queue.post("kick", {"n": 5}).json() == {"kicked": 0, "zxid": None}
        assert queue.take(consumer) == [b"a"]

    def test_touch(self, queue: HttpQueue) -> None:
        """11: touch keeps an item with a time to run."""
        queue.post("items", [{"data64": "", "ttr_s": 3600}])
        consumer = queue.consumer()
        items = queue.reserve(consumer)
        assert queue.end(consumer, "touch", items).json()["zxid"] > items[0]["fence"]

    def test_purge_and_peek(self, queue: HttpQueue) -> None:
        """11: peek takes nothing; purge forgets what waits."""
        queue.put(b"a", b"b")
        peeked = queue.rest.get(f"{queue.base}/items?n=5").json()
        assert [base64.b64decode(item["data64"]) for item in peeked] == [b"a", b"b"]
        first, again = (queue.post("purge", {}).json() for _ in range(2))
        assert first["purged"] == again["purged"] == 1
        assert 0 < first["zxid"] < again["zxid"]
        assert queue.reserve(queue.consumer()) == []


def beside(queue: HttpQueue) -> HttpQueue:
    """Another new queue."""
    return HttpQueue(queue.rest, queue.hosts, f"{queue.path[1:]}-{time.monotonic_ns()}")


class TestLifetime:
    """11: how long a consumer lives."""

    def test_close(self, queue: HttpQueue) -> None:
        """11: DELETE is 204, always, and releases what was held."""
        queue.put(b"a")
        consumer = queue.consumer()
        (item,) = queue.reserve(consumer)
        for _ in range(2):
            assert queue.rest.delete(f"{queue.base}/consumers/{consumer}").status == 204
        assert queue.end(consumer, "done", [item]).status == 409
        (again,) = queue.reserve(queue.consumer())
        assert again["delivery"] == 2

    def test_silence(self, queue: HttpQueue) -> None:
        """11: a silent consumer ends after session_s, and its items go to others."""

        def silent() -> None:
            one = beside(queue)
            one.put(b"a")
            other, consumer = one.consumer(), one.consumer(1)
            started = time.monotonic()
            assert one.take(consumer) == [b"a"]
            assert one.take(other, wait_s=60) == [b"a"]
            assert time.monotonic() - started > 0.9
            assert one.rest.put(f"{one.base}/consumers/{consumer}").status == 409

        unless_starved(silent)

    def test_kept_alive(self, queue: HttpQueue) -> None:
        """11: any call that names it keeps a consumer, a waiting one while it waits, and PUT."""

        def kept_alive() -> None:
            one = beside(queue)
            one.put(b"a")
            consumer = one.consumer(1)
            items = one.reserve(consumer)
            for _ in range(3):
                time.sleep(0.6)
                assert one.rest.put(f"{one.base}/consumers/{consumer}").status == 200
            assert one.reserve(consumer, wait_s=1.5) == []
            assert one.end(consumer, "done", items).status == 200

        unless_starved(kept_alive)

    def test_gateway_stops(self, hosts: str, zk: KazooClient, top: str) -> None:
        """11: a gateway that stops gives back what its consumers hold."""
        endpoint = EndpointConfig(hosts=f"{hosts}{top}")
        with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
            http = HttpQueue(Rest("127.0.0.1", port), "")
            http.put(b"a")
            http.reserve(http.consumer())
            http.rest.close()
        with zkmq.Queue.connect(f"{hosts}{top}", "/q") as direct:
            assert [item.data for item in direct.reserve(sync=True).items] == [b"a"]

    def test_limits(self, hosts: str, top: str) -> None:
        """11: too many consumers or queues are 503 with Retry-After."""
        endpoint = EndpointConfig(hosts=f"{hosts}{top}")
        limits = Limits(consumers=1, queues=1)
        with running(GatewayConfig(endpoints=(endpoint,), port=0, limits=limits)) as port:
            http = HttpQueue(Rest("127.0.0.1", port), "")
            http.consumer()
            assert http.post("consumers", {}).status == 503
            http.put(b"a")
            http.base = "/queues/v1/other"
            refused = http.put(b"a")
            assert (refused.status, "retry-after" in refused.headers) == (503, True)
            http.rest.close()
