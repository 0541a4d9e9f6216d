"""Calls over HTTP whose outcome is unknown: each error tells of its own call."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpx
import pytest

import zkmq
from worlds.memory.faults import Strike
from worlds.memory.network import Fault
from worlds.memory.store import World
from zkmq import BadArgumentError, Hold, Item, OutcomeUnknownError
from zkmq.rest.client import Queue
from zkmq.rest.client.exchange import Exchange
from zkmq.rest.client.putting import KEPT_S
from zkmq.rest.queues.http_consumer import RemoteConsumer
from zkmq.rest.resources import queue_resources
from zkmq.taking.finish import Done
from zkmq.taking.reserve import Reservation

Answer = Callable[[httpx.Request], httpx.Response]


def cut(request: httpx.Request) -> httpx.Response:
    """Take the request, and give no answer."""
    raise httpx.ReadError("injected", request=request)


def refuse(status: int, code: str) -> Answer:
    """Refuse with one of the queue's codes."""
    return lambda _: httpx.Response(status, json={"error": code, "message": code})


def put_at(zxid: int) -> Answer:
    """Say that it is put."""

    def answer(request: httpx.Request) -> httpx.Response:
        ids = [f"item-{each}" for each in range(len(json.loads(request.content)))]
        return httpx.Response(201, json={"ids": ids, "zxid": zxid, "duplicates": []})

    return answer


def claimed(name: str) -> Answer:
    """Give an item."""
    item = {"name": name, "data64": "eA==", "delivery": 1, "fence": 5, "put_zxid": 4}
    return lambda _: httpx.Response(200, json=[item], headers={"Zkmq-Zxid": "5"})


def ended_at(zxid: int) -> Answer:
    """Say that it is done."""
    return lambda _: httpx.Response(200, json={"zxid": zxid})


class Gateway:
    """Answers each kind of request by the next step of its own; then with 204."""

    def __init__(self, **steps: list[Answer]) -> None:
        self._left: dict[str, Iterator[Answer]] = {kind: iter(each) for kind, each in steps.items()}
        self.seen: defaultdict[str, list[httpx.Request]] = defaultdict(list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[-1]
        self.seen[kind].append(request)
        if kind == "consumers":
            told = {"consumer": "c", "session": "1", "session_s": 600}
            return httpx.Response(201, json=told)
        step = next(self._left.get(kind, iter(())), None)
        return step(request) if step else httpx.Response(204)

    def queue(self) -> Queue:
        """A client that gives up after one attempt."""
        http = {"transport": httpx.MockTransport(self)}
        return Queue("http://gateway", deadline_s=0.01, http=http)


def unknown(call: Callable[[], object]) -> OutcomeUnknownError:
    """The error of a call of unknown outcome."""
    with pytest.raises(OutcomeUnknownError) as caught:
        call()
    return caught.value


def test_each_put_in_doubt_is_asked_for_by_its_own_key() -> None:
    """Two in doubt at the same time: each error's answer is that of its own put."""
    gateway = Gateway(items=[cut, cut, put_at(8), put_at(7)])
    queue = gateway.queue()
    one, two = unknown(lambda: queue.put(b"one")), unknown(lambda: queue.put_many([b"2", b"3"]))
    (second,), (first,) = two.resolve(), one.resolve()
    assert [(each.zxid, each.items) for each in (first, second)] == [(7, 1), (8, 2)]
    assert queue.resolve() == two.resolve() == (second,)
    keys = [request.headers["Idempotency-Key"][-2:] for request in gateway.seen["items"]]
    assert keys == ["-1", "-2", "-2", "-1"]


def test_a_put_many_in_doubt_says_what_is_put_and_what_not() -> None:
    """As over ZooKeeper's own protocol."""
    queue = Gateway(items=[put_at(7), cut]).queue()
    error = unknown(lambda: queue.put_many([b"1", b"2", b"3", b"4", b"5"], batch=2))
    assert (len(error.applied), error.doubtful) == (2, 2)
    assert "the last 1 certainly not" in str(error)


@pytest.mark.parametrize(
    "found",
    [
        Reservation((), read_zxid=7),
        Reservation((), paused=True),
        Reservation((), looked=False, done=Done(6, 1)),
    ],
)
def test_why_there_are_no_items_is_told_as_without_a_gateway(found: Reservation) -> None:
    """An empty queue, a paused one, and one at which nobody got to look."""
    consumer: Any = SimpleNamespace(queue=SimpleNamespace(consumer_id="c"))
    told = queue_resources.reservation_headers(consumer, found)
    answer = Gateway(reserve=[lambda _: httpx.Response(204, headers=told)]).queue().reserve()
    assert (answer.items, answer.read_zxid) == ((), found.read_zxid)
    assert (answer.paused, answer.looked) == (found.paused, found.looked)


@pytest.mark.parametrize(
    ("refusal", "took_effect"),
    [
        (refuse(429, "queue-full"), None),
        (refuse(409, "outdated-client"), None),
        (refuse(413, "value-too-large"), False),
    ],
)
def test_a_put_that_is_refused_when_asked_for_again(
    refusal: Answer, *, took_effect: bool | None
) -> None:
    """A refusal that may be news tells nothing of the first copy; one that may not, does."""
    queue = Gateway(items=[cut, refusal]).queue()
    error = unknown(lambda: queue.put(b"x"))
    assert [each.took_effect for each in error.resolve()] == [took_effect]


def test_a_put_is_not_asked_for_again_when_its_key_may_be_forgotten() -> None:
    """That would put it twice: then nothing can tell."""
    gateway = Gateway(items=[cut, put_at(7)])
    queue = gateway.queue()
    error = unknown(lambda: queue.put(b"x"))
    now_s = queue._exchange.now()
    queue._exchange.now = lambda: now_s + KEPT_S + 1
    assert [each.took_effect for each in error.resolve()] == [None]
    assert len(gateway.seen["items"]) == 1


def test_while_nobody_answers_it_stays_unknown() -> None:
    """And can be asked for again, by the error of the question as well."""
    queue = Gateway(items=[cut, cut, put_at(7)]).queue()
    error = unknown(lambda: queue.put(b"x"))
    again = unknown(error.resolve)
    assert [each.zxid for each in again.resolve()] == [7]
    assert error.resolve() == again.resolve()


@pytest.mark.parametrize("verb", ["done", "release", "bury"])
def test_an_end_in_doubt_is_asked_for_again(verb: str) -> None:
    """It took effect once; and the same call made again says so, without another request."""
    gateway = Gateway(reserve=[claimed("item-1")], **{verb: [cut, ended_at(9)]})
    queue = gateway.queue()
    (item,) = queue.reserve().items
    options = {"reason": "why"} if verb == "bury" else {}
    error = unknown(lambda: getattr(queue, verb)(item, **options))
    assert item.hold is Hold.HELD
    (settled,) = error.resolve()
    assert (settled.label, settled.took_effect, settled.zxid) == (verb, True, 9)
    assert item.hold is not Hold.HELD
    assert getattr(queue, verb)(item, **options).zxid == 9
    assert len(gateway.seen[verb]) == 2


@pytest.mark.parametrize(("code", "took_effect"), [("consumer-lost", None), ("not-held", False)])
def test_an_end_that_is_refused_when_asked_for_again(
    code: str, *, took_effect: bool | None
) -> None:
    """With its consumer goes what could tell; an item not held was not ended by this consumer."""
    queue = Gateway(reserve=[claimed("item-1")], done=[cut, refuse(409, code)]).queue()
    (item,) = queue.reserve().items
    error = unknown(lambda: queue.done(item))
    assert [each.took_effect for each in error.resolve()] == [took_effect]


def test_a_done_asked_again_after_its_consumers_end_is_unknown() -> None:
    """It is not called certainly without effect: the first copy may have had one."""
    done = [cut, refuse(409, "consumer-lost")]
    queue = Gateway(reserve=[claimed("item-1")], done=done).queue()
    (item,) = queue.reserve().items
    unknown(lambda: queue.done(item))
    for _ in range(2):
        with pytest.raises(zkmq.AckUnknownError):
            queue.done(item)


def test_what_reserves_in_doubt_claimed_comes_with_the_next() -> None:
    """All of it, and each error says that its own reserve took effect."""
    gateway = Gateway(reserve=[claimed("item-0"), cut, claimed("item-1")], done=[ended_at(9)])
    queue = gateway.queue()
    (first,) = queue.reserve().items
    error = unknown(lambda: queue.reserve(done=[first]))
    assert [(each.took_effect, each.zxid) for each in error.resolve()] == [(True, 5)]
    assert first.hold is Hold.DONE
    assert [item.name for item in queue.reserve(done=[first]).items] == ["item-1"]
    keys = [request.headers["Idempotency-Key"] for request in gateway.seen["reserve"]]
    assert keys[1] == keys[2] != keys[0]


def test_a_reserve_behind_one_in_doubt_was_not_sent() -> None:
    """Unless it is to acknowledge the same items, which is unknown as before."""
    gateway = Gateway(reserve=[claimed("item-0"), cut, cut, cut])
    queue = gateway.queue()
    (first,) = queue.reserve().items
    error = unknown(lambda: queue.reserve(done=[first]))
    with pytest.raises(zkmq.NoQuorumError, match="not sent"):
        queue.reserve()
    assert unknown(lambda: queue.reserve(done=[first])).doubt is error.doubt


async def at_once(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Run a blocking call here."""
    return call(*arguments, **options)


@pytest.mark.parametrize("verb", ["done", "release", "bury"])
@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST])
def test_the_gateway_ends_once_what_it_is_asked_to_end_again(verb: str, fault: Fault) -> None:
    """After an answer that the quorum did not give in time, and after one that got lost."""
    world = World(seed=1, session_timeout_s=1000)
    queue = zkmq.Queue(world.client(), janitor=False, deadline_s=1.0)
    queue.put(b"x")
    consumer = RemoteConsumer("c", queue, session_s=1000, run=at_once)
    found = asyncio.run(consumer.reserve(1, wait_s=0, done=[], sync=False))
    names, options = [found.items[0].name], {"reason": "why"} if verb == "bury" else {}
    world.faults = Strike(verb, fault, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        asyncio.run(consumer.end(verb, names, **options))
    world.faults = Strike(verb, fault, times=0)
    zxids = {asyncio.run(consumer.end(verb, names, **options)) for _ in range(2)}
    assert len(zxids) == 1
    assert None not in zxids


def test_the_gateway_acknowledges_once_with_a_reserve_asked_again() -> None:
    """The items that the first copy claimed come with the second."""
    world = World(seed=1, session_timeout_s=1000)
    queue = zkmq.Queue(world.client(), janitor=False, deadline_s=1.0)
    queue.put_many([b"x", b"y"])
    consumer = RemoteConsumer("c", queue, session_s=1000, run=at_once)
    first = asyncio.run(consumer.reserve(1, wait_s=0, done=[], sync=False)).items[0]
    world.faults = Strike("reserve", Fault.LOSE_REPLY, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        asyncio.run(consumer.reserve(1, wait_s=0, done=[first.name], sync=False))
    world.faults = Strike("reserve", Fault.LOSE_REPLY, times=0)
    again = asyncio.run(consumer.reserve(1, wait_s=0, done=[first.name], sync=False))
    assert [item.data for item in again.items] == [b"y"]
    assert again.done is not None


def test_the_gateway_remembers_what_a_reserve_in_doubt_acknowledged() -> None:
    """It was done before the claim that is in doubt: asked again, it is not called not held."""
    world = World(seed=1, session_timeout_s=1000)
    queue = zkmq.Queue(world.client(), janitor=False, deadline_s=1.0)
    queue.put(b"x")
    consumer = RemoteConsumer("c", queue, session_s=1000, run=at_once)
    first = asyncio.run(consumer.reserve(1, wait_s=0, done=[], sync=False)).items[0]
    other = zkmq.Queue(world.client("other"), janitor=False)

    def put_later() -> None:
        world.scheduler.sleep(1.0)
        other.put(b"y")

    world.scheduler.spawn("later", put_later)
    world.faults = Strike("reserve", Fault.LOSE_REPLY, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        asyncio.run(consumer.reserve(1, wait_s=3, done=[first.name], sync=False))
    world.faults = Strike("reserve", Fault.LOSE_REPLY, times=0)
    again = asyncio.run(consumer.reserve(1, wait_s=0, done=[first.name], sync=False))
    assert [item.data for item in again.items] == [b"y"]


def test_a_reserve_that_acknowledges_goes_on_waiting() -> None:
    """It asks the gateway again, without what is done, until an item comes."""

    def done(_: httpx.Request) -> httpx.Response:
        return httpx.Response(204, headers={"Zkmq-Done-Zxid": "6"})

    gateway = Gateway(reserve=[claimed("item-0"), done, claimed("item-1")])
    queue = gateway.queue()
    (first,) = queue.reserve().items
    found = queue.reserve(timeout_s=60, done=[first])
    assert [item.name for item in found.items] == ["item-1"]
    assert found.done is not None
    asked = [json.loads(request.content)["done"] for request in gateway.seen["reserve"]]
    assert asked == [[], ["item-0"], []]


def test_what_is_no_item_is_refused_before_it_is_sent() -> None:
    """As over ZooKeeper's own protocol."""
    gateway = Gateway(reserve=[claimed("item-100-0000000000-0000000000")])
    queue = gateway.queue()
    items = queue.reserve().items
    for call in (
        lambda: queue.done(items),  # type: ignore[arg-type]
        lambda: queue.bury(items[0].id, reason="bad"),  # type: ignore[arg-type]
        lambda: queue.reserve(done=items[0]),  # type: ignore[arg-type]
        lambda: queue.reserve(timeout_s="1"),  # type: ignore[arg-type]
    ):
        with pytest.raises(BadArgumentError, match="expected"):
            call()
    assert {kind: len(seen) for kind, seen in gateway.seen.items()} == {
        "consumers": 1,
        "reserve": 1,
    }


@pytest.mark.parametrize(("deadline_s", "within_s"), [(30.0, 5.0), (2.0, 2.0)])
def test_close_waits_five_seconds_for_the_gateway(deadline_s: float, within_s: float) -> None:
    """As without a server; the gateway gives back what is held by itself."""
    queue = Gateway(reserve=[claimed("item-100-0000000000-0000000000")]).queue()
    queue.reserve()
    queue.deadline_s = deadline_s
    with (
        mock.patch.object(Exchange, "ask", side_effect=zkmq.NoQuorumError("down")) as ask,
        mock.patch.object(queue._exchange, "now", return_value=100.0),
    ):
        queue.close()
    assert [call.args[::2] for call in ask.call_args_list] == [("DELETE", 100.0 + within_s)]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.RemoteProtocolError("?")])
def test_a_connect_without_a_gateway_took_no_effect(error: httpx.RequestError) -> None:
    """It says which address, also if something there answers that is no gateway."""

    def nobody(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(zkmq.NoQuorumError, match=r"connect: g:1: expected a gateway's answer"):
        Queue.connect(
            "http://g:1", deadline_s=0.01, http={"transport": httpx.MockTransport(nobody)}
        )


@pytest.mark.parametrize("deadline_s", [0, "1", None])
def test_a_deadline_that_is_no_time_is_refused(deadline_s: Any) -> None:
    """As by `zkmq.Queue`."""
    with pytest.raises(BadArgumentError, match="deadline_s: expected"):
        Queue("http://g:1", deadline_s=deadline_s)


def test_a_callback_that_fails_is_logged_and_ends_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """The call says what it found out, and the next consumer takes what comes."""
    gateway = Gateway(
        reserve=[claimed("item-1"), claimed("item-2")], done=[refuse(409, "consumer-lost")]
    )
    told: list[str] = []

    def lost(_: str, items: Sequence[Item]) -> None:
        told.extend(item.name for item in items)
        raise ValueError("of the application")

    http = {"transport": httpx.MockTransport(gateway)}
    queue = Queue("http://gateway", deadline_s=30.0, lost=lost, http=http)
    (item,) = queue.reserve().items
    with pytest.raises(zkmq.ConsumerLostError):
        queue.done(item)
    assert told == ["item-1"]
    assert "of the application" in caplog.text
    assert [each.name for each in queue.reserve().items] == ["item-2"]
