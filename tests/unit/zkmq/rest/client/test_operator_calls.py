"""What operators ask over HTTP, when answers are lost, refused, or of another gateway."""

from collections.abc import Callable

import httpx
import pytest

import zkmq
from zkmq.rest.client import Queue

Step = Callable[[httpx.Request], httpx.Response]
ID = "item-100-0000000000-0000000001"
CHARTER = {
    "min_reader": 1, "min_writer": 4, "features": ["a"], "segment_items": 9, "paused": "repair"
}  # fmt: skip


def cut(request: httpx.Request) -> httpx.Response:
    """Take the request, and give no answer."""
    raise httpx.ReadError("injected", request=request)


def say(status: int, **body: object) -> Step:
    """Answer with a body."""
    return lambda _: httpx.Response(status, json=body)


def queue(*steps: Step) -> tuple[Queue, list[httpx.Request]]:
    """A queue whose gateway takes these steps, one for each request; and the requests."""
    left, seen = iter(steps), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(left)(request)

    http = {"transport": httpx.MockTransport(handle)}
    return Queue("http://gateway", "/jobs", http=http), seen


@pytest.mark.parametrize(
    "call",
    [
        lambda q: q.delete(ID),
        lambda q: q.redrive("/other"),
        lambda q: q.kick(1),
        lambda q: q.purge(),
    ],
)
def test_what_counts_is_not_sent_twice(call: Callable[[Queue], object]) -> None:
    """A call that tells how many is not sent again: the second answer would say 0."""
    client, seen = queue(cut)
    with client, pytest.raises(zkmq.OutcomeUnknownError) as caught:
        call(client)
    (settled,) = caught.value.resolve()
    assert settled.took_effect is None
    assert len(seen) == 1


@pytest.mark.parametrize("call", [lambda q: q.pause("repair"), lambda q: q.resume()])
def test_a_pause_is_sent_again(call: Callable[[Queue], zkmq.Charter]) -> None:
    """To pause or to resume twice is the same, so a lost answer is asked for again."""
    client, seen = queue(cut, say(200, **CHARTER))
    with client:
        assert call(client) == zkmq.Charter(1, 4, ("a",), 9, "repair")
    assert seen[0].content == seen[1].content


def test_a_refusal_behind_a_lost_answer_is_no_certain_refusal() -> None:
    """Clients that are too old may have come after the first attempt had paused the queue."""
    refusal = say(409, error="clients-too-old", message="too old", clients=["c"])
    for steps, expected in (
        ((refusal,), zkmq.ClientsTooOldError),
        ((cut, refusal), zkmq.AckUnknownError),
    ):
        client, _ = queue(*steps)
        with client, pytest.raises(expected):
            client.pause()


def test_errors_keep_what_they_tell() -> None:
    """The clients that are too old, and ZooKeeper's code, arrive as attributes of the error."""
    client, _ = queue(
        say(409, error="clients-too-old", message="m", clients=["consumer-1 on host"]),
        say(403, error="server-refused", message="quota", code=-125),
    )
    with client:
        with pytest.raises(zkmq.ClientsTooOldError) as old:
            client.pause()
        with pytest.raises(zkmq.ServerRefusedError, match="quota") as refused:
            client.delete(ID)
    assert old.value.clients == ("consumer-1 on host",)
    assert refused.value.code == -125


def test_only_the_gateway_says_that_an_item_is_gone() -> None:
    """A 404 is None if it says `no-such-item`; that of a wrong URL is an error."""
    client, seen = queue(say(404, error="no-such-item", message="m"), say(404, message="no route"))
    with client:
        assert client.inspect(f"{ID}") is None
        with pytest.raises(zkmq.BadArgumentError, match="no route"):
            client.inspect(ID)
    assert seen[0].url.path == f"/queues/v1/jobs/items/{ID}"


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "x" * 2000, 5])
def test_what_is_no_id_is_not_sent(id: str) -> None:
    """A wrong id never becomes another resource, such as the list of all items."""
    client, seen = queue()
    with client:
        for call in (client.inspect, client.delete):
            with pytest.raises(zkmq.BadArgumentError, match="id"):
                call(id)
    assert seen == []


def test_a_new_deadline_holds_for_the_next_call() -> None:
    """`deadline_s` is set between calls, as that of `zkmq.Queue`; a bad one is refused."""
    client, _ = queue()
    with client:
        client.deadline_s = 5
        assert client.deadline_s == 5
        with pytest.raises(zkmq.BadArgumentError, match="deadline_s"):
            client.deadline_s = 0
        assert client.path == "/jobs"


def test_one_id_is_no_list_of_ids() -> None:
    """A string would be a list of its characters; nothing is sent."""
    client, seen = queue()
    with client, pytest.raises(zkmq.BadArgumentError, match="redrive: ids: expected a list of ids"):
        client.redrive("/other", ids=ID)
    assert seen == []
