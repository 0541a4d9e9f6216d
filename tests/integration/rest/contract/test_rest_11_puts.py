"""Section 11: items are put."""

import threading

import pytest
from integration.rest.contract.http_queue import JSON, HttpQueue, b64
from integration.rest.exchange import Answer, Rest, running

from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

pytestmark = pytest.mark.docker


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
            thread.join(60)
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
            thread.join(60)
        taken = queue.take(queue.consumer(), 250)
        assert len(set(taken)) == len(taken) == 200
        for client in range(8):
            own = [int(data.split(b"-")[1]) for data in taken if data.startswith(b"%d-" % client)]
            assert own == list(range(25))
