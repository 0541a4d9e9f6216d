"""Section 11: queues over HTTP."""

import base64
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from integration.rest.exchange import Answer, Rest, running
from kazoo.client import KazooClient

import zkmq
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig, Limits

pytestmark = pytest.mark.docker

JSON = "application/json"

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def queues(hosts: str, zk: KazooClient) -> Iterator[tuple[int, str]]:
    """A gateway for these queues: its port, and the connect string of its root."""
    zk.ensure_path("/rest/queues")
    chroot = f"{hosts}/rest/queues"
    endpoint = EndpointConfig(hosts=chroot)
    with running(GatewayConfig(endpoints=(endpoint,), port=0)) as port:
        yield port, chroot


@pytest.fixture
def queue(queues: tuple[int, str]) -> Iterator["HttpQueue"]:
    """A new queue of this test's own."""
    port, hosts = queues
    rest = Rest("127.0.0.1", port)
    yield HttpQueue(rest, hosts, f"q{next(_numbers)}")
    rest.close()


class HttpQueue:
    """The calls of section 11, one method each."""

    def __init__(self, rest: Rest, hosts: str, name: str = "q") -> None:
        self.rest, self.hosts = rest, hosts
        self.path = f"/{name}"
        self.base = f"/queues/v1/{name}"

    def post(self, below: str, value: Any, **headers: str) -> Answer:
        """POST JSON."""
        return self.rest.post(
            f"{self.base}/{below}", json.dumps(value).encode(), Content_Type=JSON, **headers
        )

    def put(self, *payloads: bytes, priority: int = 100) -> Answer:
        """Put payloads together."""
        items = [{"data64": b64(data), "priority": priority} for data in payloads]
        return self.post("items", items)

    def consumer(self, session_s: float = 10) -> str:
        """Open a consumer."""
        answer = self.post("consumers", {"session_s": session_s})
        assert answer.status == 201, answer
        return str(answer.json()["consumer"])

    def reserve(self, consumer: str, n: int = 1, **more: Any) -> list[dict[str, Any]]:
        """Reserve; empty for 204."""
        answer = self.post(f"consumers/{consumer}/reserve", {"n": n, "sync": True, **more})
        assert answer.status in (200, 204), answer
        return answer.json() if answer.status == 200 else []

    def take(self, consumer: str, n: int = 1, **more: Any) -> list[bytes]:
        """Reserve and tell the payloads."""
        return [base64.b64decode(item["data64"]) for item in self.reserve(consumer, n, **more)]

    def end(self, consumer: str, verb: str, items: Sequence[dict[str, Any]], **more: Any) -> Answer:
        """Do done, release, touch or bury."""
        return self.post(
            f"consumers/{consumer}/{verb}", {"ids": [item["name"] for item in items], **more}
        )

    def stats(self) -> Any:
        """Counts."""
        return self.rest.get(f"{self.base}/stats").json()


def b64(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


class TestPut:
    """11: POST items."""

    def test_raw(self, queue: HttpQueue) -> None:
        """11: a raw body is one item; options are query parameters."""
        answer = queue.rest.post(f"{queue.base}/items?priority=7", b"\x00raw\xff")
        assert answer.status == 201
        fields = answer.json()
        assert fields["ids"][0].startswith("item-007-")
        assert isinstance(fields["zxid"], int)
        assert queue.take(queue.consumer()) == [b"\x00raw\xff"]

    def test_many(self, queue: HttpQueue) -> None:
        """11: a JSON list is put together, in order, with one zxid."""
        answer = queue.put(b"a", b"b", b"c")
        assert len(set(answer.json()["ids"])) == 3
        assert queue.take(queue.consumer(), 5) == [b"a", b"b", b"c"]

    def test_same_key_same_answer(self, queue: HttpQueue) -> None:
        """11: an Idempotency-Key makes it one put, however often it is sent, also at once."""
        answers: list[Answer] = []

        def put() -> None:
            rest = Rest(queue.rest.host, queue.rest.port)
            answers.append(rest.post(f"{queue.base}/items", b"x", Idempotency_Key="k1"))
            rest.close()

        threads = [threading.Thread(target=put) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        put()
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers}) == 1
        assert queue.stats()["waiting"] == {"100": 1}

    def test_key_survives_the_gateway(self, queue: HttpQueue) -> None:
        """11: the key is kept in ZooKeeper: another gateway puts nothing, and knows the zxid."""
        items = [{"data64": b64(b"a")}, {"data64": b64(b"b")}]
        first = queue.post("items", items, Idempotency_Key="k")
        with running(GatewayConfig(endpoints=(EndpointConfig(hosts=queue.hosts),), port=0)) as port:
            other = HttpQueue(Rest("127.0.0.1", port), queue.hosts, queue.path[1:])
            again = other.post("items", items, Idempotency_Key="k")
            other.rest.close()
        assert again.status == 201
        assert again.json() == {
            "ids": [None, None], "zxid": first.json()["zxid"], "duplicates": [0, 1]
        }  # fmt: skip
        assert queue.stats()["waiting"] == {"100": 2}

    def test_key_for_something_else(self, queue: HttpQueue) -> None:
        """11: a key used for another request is 422."""
        queue.rest.post(f"{queue.base}/items", b"x", Idempotency_Key="k")
        other = queue.rest.post(f"{queue.base}/items", b"y", Idempotency_Key="k")
        assert other.status == 422

    @pytest.mark.parametrize(
        ("target", "body", "content_type", "status"),
        [
            ("items", b"nonsense", JSON, 400),
            ("items", b"[]", JSON, 400),
            ("items", b"{}", JSON, 400),
            ("items", b'[{"data64":"?"}]', JSON, 400),
            ("items", b'[{"data64":"","priority":1000}]', JSON, 400),
            ("items", b'[{"data64":"","priority":"1"}]', JSON, 400),
            ("items", b'[{"data64":"","delay_s":-1}]', JSON, 400),
            ("items", b'[{"data64":"","delay_s":NaN}]', JSON, 400),
            ("items", b'[{"data64":"","typo":1}]', JSON, 400),
            ("items", b"[" + b",".join([b'{"data64":""}'] * 501) + b"]", JSON, 413),
            ("items?priority=-1", b"", None, 400),
            ("items?priority=1.5", b"", None, 400),
            ("items", bytes(1_000_001), None, 413),
            ("items", b"x", "text/plain", 415),
        ],
    )
    def test_refused(
        self, *, queue: HttpQueue, target: str, body: bytes, content_type: str | None, status: int
    ) -> None:
        """11: what cannot be put is refused as a whole."""
        headers = {"Content-Type": content_type} if content_type else {}
        assert queue.rest.post(f"{queue.base}/{target}", body, **headers).status == status

    def test_bad_key(self, queue: HttpQueue) -> None:
        """11: a key of other characters is 400."""
        for key in ("", "a b", "x" * 201):
            answer = queue.rest.post(f"{queue.base}/items", b"", Idempotency_Key=key)
            assert answer.status == 400

    def test_delay(self, queue: HttpQueue) -> None:
        """11: a delayed item waits aside."""
        queue.post("items", [{"data64": b64(b"later"), "delay_s": 3600}])
        stats = queue.stats()
        assert (stats["waiting"], stats["delayed"]) == ({}, 1)

    def test_concurrent_clients(self, queue: HttpQueue) -> None:
        """11: two hundred puts from eight clients are all there, each client's in order."""

        def put(client: int) -> None:
            rest = Rest(queue.rest.host, queue.rest.port)
            for number in range(25):
                answer = rest.post(f"{queue.base}/items", f"{client}-{number}".encode())
                assert answer.status == 201
            rest.close()

        threads = [threading.Thread(target=put, args=(client,)) for client in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        taken = queue.take(queue.consumer(), 250)
        assert len(set(taken)) == len(taken) == 200
        for client in range(8):
            own = [int(data.split(b"-")[1]) for data in taken if data.startswith(b"%d-" % client)]
            assert own == list(range(25))


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
        assert queue.take(consumer, wait_s=60) == [b"news"]
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


class TestOperate:
    """11: single items, redrive, pause."""

    def test_inspect(self, queue: HttpQueue) -> None:
        """11: GET of an item tells where it is, and who holds it; one that is gone is 404."""
        put = queue.post("items", [{"data64": b64(b"a"), "group": "g", "headers": {"k": "v"}}])
        (id,) = put.json()["ids"]
        url, consumer = f"{queue.base}/items/{id}", queue.consumer()
        waiting = queue.rest.get(url).json()
        assert (waiting["place"], waiting["deliveries"]) == ("items", 0)
        assert (waiting["group"], waiting["headers"]) == ("g", {"k": "v"})
        assert base64.b64decode(waiting["data64"]) == b"a"
        items = queue.reserve(consumer)
        held = queue.rest.get(url).json()
        assert (held["place"], held["deliveries"]) == ("held", 1)
        assert held["consumer"] is not None
        queue.end(consumer, "done", items)
        gone = queue.rest.get(url)
        assert (gone.status, gone.json()["error"]) == (404, "no-such-item")

    def test_delete(self, queue: HttpQueue) -> None:
        """11: DELETE of an item deletes it once; of one that is held it is 409."""
        first, second = queue.put(b"a", b"b").json()["ids"]
        deleted = [queue.rest.delete(f"{queue.base}/items/{first}").json() for _ in range(2)]
        assert [each["deleted"] for each in deleted] == [1, 0]
        assert deleted[0]["zxid"] > 0
        assert deleted[1]["zxid"] is None
        consumer = queue.consumer()
        assert queue.take(consumer) == [b"b"]
        refused = queue.rest.delete(f"{queue.base}/items/{second}")
        assert (refused.status, refused.json()["error"]) == (409, "item-held")

    @pytest.mark.parametrize("id", ["x", "a%2Fb", "..", "item-1", "x" * 2000])
    def test_no_id(self, queue: HttpQueue, id: str) -> None:
        """11: what cannot be the id of an item is 400, and nothing is deleted."""
        queue.put(b"a")
        target = f"{queue.base}/items/{id}"
        assert [queue.rest.get(target).status, queue.rest.delete(target).status] == [400, 400]
        assert queue.stats()["waiting"] == {"100": 1}

    def test_redrive(self, queue: HttpQueue) -> None:
        """11: dead letters go to another queue of the endpoint, all or those with these ids."""
        ids = queue.put(b"a", b"b", b"c").json()["ids"]
        consumer = queue.consumer()
        queue.end(consumer, "bury", queue.reserve(consumer, 3), reason="bad")
        other = HttpQueue(queue.rest, queue.hosts, f"{queue.path[1:]}-other")
        missing = queue.post("redrive", {"to": other.path[1:]})
        assert (missing.status, missing.json()["error"]) == (404, "incompatible-tree")
        other.put(b"first")
        moved = queue.post("redrive", {"to": other.path[1:], "ids": [ids[1], ids[1]]}).json()
        assert moved["redriven"] == 1
        assert moved["zxid"] > 0
        assert queue.post("redrive", {"to": other.path[1:], "n": 9}).json()["redriven"] == 2
        assert other.take(other.consumer(), 9) == [b"first", b"b", b"a", b"c"]
        assert queue.stats()["dead"] == 0

    @pytest.mark.parametrize(
        "asked",
        [{}, {"to": ""}, {"to": "a/b"}, {"to": ".."}, {"to": 1}, {"to": "q", "n": 0},
         {"to": "q", "ids": "x"}, {"to": "q", "ids": ["x"]}, {"to": "q", "place": "delayed"}],
    )  # fmt: skip
    def test_bad_redrive(self, queue: HttpQueue, asked: dict[str, Any]) -> None:
        """11: a redrive that cannot be meant is 400."""
        queue.put(b"a")
        assert queue.post("redrive", asked).status == 400

    def test_redrive_to_itself(self, queue: HttpQueue) -> None:
        """11: a redrive to the same queue is 400, which names `kick`."""
        queue.put(b"a")
        refused = queue.post("redrive", {"to": queue.path[1:]})
        assert (refused.status, refused.json()["error"]) == (400, "bad-argument")
        assert "use kick" in refused.json()["message"]

    def test_pause(self, queue: HttpQueue) -> None:
        """11: while a queue is paused, no consumer of any gateway gets items; puts go on."""
        queue.put(b"a")
        consumer = queue.consumer()
        paused = queue.post("pause", {"reason": "for repair"}).json()
        assert paused["paused"] == queue.stats()["paused"] == "for repair"
        queue.put(b"b")
        assert queue.reserve(consumer) == []
        assert queue.post("resume", {}).json() == paused | {"paused": None}
        assert queue.take(consumer, 2) == [b"a", b"b"]

    @pytest.mark.parametrize(
        ("verb", "asked"),
        [("pause", {"reason": 1}), ("pause", {"reason": "x" * 1001}), ("pause", {"force": "yes"}),
         ("pause", {"why": ""}), ("resume", {"reason": ""})],
    )  # fmt: skip
    def test_bad_pause(self, queue: HttpQueue, verb: str, asked: dict[str, Any]) -> None:
        """11: a pause that cannot be meant is 400, and changes nothing."""
        queue.put(b"a")
        assert queue.post(verb, asked).status == 400
        assert queue.stats()["paused"] is None


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
        queue.put(b"a")
        consumer, other = queue.consumer(1), queue.consumer()
        started = time.monotonic()
        assert queue.take(consumer) == [b"a"]
        assert queue.take(other, wait_s=10) == [b"a"]
        assert time.monotonic() - started > 0.9
        assert queue.rest.put(f"{queue.base}/consumers/{consumer}").status == 409

    def test_kept_alive(self, queue: HttpQueue) -> None:
        """11: any call that names it keeps a consumer, a waiting one while it waits, and PUT."""
        queue.put(b"a")
        consumer = queue.consumer(1)
        items = queue.reserve(consumer)
        for _ in range(3):
            time.sleep(0.6)
            assert queue.rest.put(f"{queue.base}/consumers/{consumer}").status == 200
        assert queue.reserve(consumer, wait_s=1.5) == []
        assert queue.end(consumer, "done", items).status == 200

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


class TestBeside:
    """11, D4: clients of all three kinds on one queue."""

    def test_binary_clients(self, queue: HttpQueue) -> None:
        """11: what is put by one protocol is taken by the other."""
        with zkmq.Queue.connect(queue.hosts, queue.path) as direct:
            direct.put(b"from zkmq")
            assert queue.take(queue.consumer()) == [b"from zkmq"]
            queue.put(b"from http")
            assert [item.data for item in direct.reserve(sync=True).items] == [b"from http"]


def test_no_queue(rest: Rest, zk: KazooClient) -> None:
    """11: looking at a queue that nobody made is 404, and makes none."""
    assert rest.get("/queues/v1/never-made/stats").status == 404
    assert rest.get("/queues/v1/never-made/items").status == 404
    id = "item-100-0000000000-0000000001"
    for ask in (rest.get, rest.delete):
        answer = ask(f"/queues/v1/never-made/items/{id}")
        assert (answer.status, "error" in answer.json()) == (404, False)
    for verb in ("pause", "resume", "redrive"):
        asked = b'{"to": "q"}' if verb == "redrive" else b"{}"
        assert rest.post(f"/queues/v1/never-made/{verb}", asked, Content_Type=JSON).status == 404
    assert zk.exists("/never-made") is None
    assert rest.get("/queues/v1/zookeeper/stats").status == 404


@pytest.mark.parametrize(
    ("method", "below", "status"),
    [("GET", "", 404), ("GET", "/items/x", 404), ("PUT", "/items", 405), ("GET", "/consumers", 405),
     ("GET", "/consumers/x/reserve", 405), ("OPTIONS", "/items", 200)],
)  # fmt: skip
def test_resources(rest: Rest, method: str, below: str, status: int) -> None:
    """11: other resources are 404, other methods 405."""
    assert rest.ask(method, f"/queues/v1/q{below}").status == status


@pytest.mark.parametrize("name", ["%2F", "..", "a%2Fb", "%00", "%ff"])
def test_bad_names(rest: Rest, name: str) -> None:
    """11: a queue's name is one segment of a path."""
    assert rest.get(f"/queues/v1/{name}/stats").status == 400
