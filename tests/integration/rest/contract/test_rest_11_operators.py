"""Section 11: what operators do with items and with the queue."""

import base64
from typing import Any

import pytest
from integration.rest.contract.http_queue import HttpQueue, b64

pytestmark = pytest.mark.docker


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
