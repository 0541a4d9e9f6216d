"""Section 11: which queues there are, and clients of all kinds on one of them."""

import pytest
from integration.rest.contract.http_queue import JSON, HttpQueue
from integration.rest.exchange import Rest
from kazoo.client import KazooClient

import zkmq

pytestmark = pytest.mark.docker


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
