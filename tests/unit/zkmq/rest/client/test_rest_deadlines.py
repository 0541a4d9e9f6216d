"""Every call over HTTP ends by its deadline, whatever it has to wait for."""

import threading
from collections.abc import Callable

import httpx
import pytest

from zkmq import NoQuorumError, OutcomeUnknownError
from zkmq.rest.client import Queue
from zkmq.rest.client.exchange import Exchange

DEADLINE_S = 8.0
SOON_S = 60.0
Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    """Time that passes when somebody sleeps, and when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        """Seconds."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    """Give the time of all queues of a test."""
    return Clock()


@pytest.fixture
def opened(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler], Queue]:
    """Give a function that opens a queue behind a gateway, which answers as the handler does."""
    monkeypatch.setattr(
        Exchange.__init__, "__kwdefaults__", {"now": clock.now, "sleep": clock.sleep}
    )

    def open_queue(handler: Handler) -> Queue:
        http = {"transport": httpx.MockTransport(handler)}
        return Queue("http://gateway", deadline_s=DEADLINE_S, http=http)

    return open_queue


def kind_of(request: httpx.Request) -> str:
    """What is asked for: the last part of the path."""
    return request.url.path.rpartition("/")[2]


def busy(_: httpx.Request) -> httpx.Response:
    """Say that there is no quorum."""
    return httpx.Response(503, json={"error": "no-quorum", "message": "away"})


def registered() -> httpx.Response:
    """Say that there is a consumer."""
    return httpx.Response(201, json={"consumer": "c", "session": "1", "session_s": 3600})


@pytest.mark.parametrize("timeout_s", [0.0, 5.0])
def test_a_reserve_whose_consumer_ends_in_an_outage(
    clock: Clock, opened: Callable[[Handler], Queue], timeout_s: float
) -> None:
    """The next consumer has what is left of the time, and not all of it again."""
    began_s = clock.now()
    consumers: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if kind_of(request) == "consumers":
            consumers.append(request)
            return registered() if len(consumers) == 1 else busy(request)
        if clock.now() < began_s + timeout_s + 4:
            return busy(request)
        return httpx.Response(409, json={"error": "consumer-lost", "message": "gone"})

    with pytest.raises(NoQuorumError):
        opened(handler).reserve(timeout_s=timeout_s)
    assert len(consumers) > 2
    assert clock.now() - began_s <= DEADLINE_S + timeout_s


def test_consumers_that_end_again_and_again(
    clock: Clock, opened: Callable[[Handler], Queue]
) -> None:
    """A gateway that opens consumers, and knows none of them, is not asked for ever."""

    def handler(request: httpx.Request) -> httpx.Response:
        clock.sleep(1)
        if kind_of(request) == "consumers":
            return registered()
        return httpx.Response(409, json={"error": "consumer-lost", "message": "gone"})

    began_s = clock.now()
    with pytest.raises(NoQuorumError, match="each consumer ended"):
        opened(handler).reserve()
    assert clock.now() - began_s <= DEADLINE_S + 2


def test_a_reserve_behind_one_in_doubt_does_not_wait_as_long_as_that_would(
    clock: Clock, opened: Callable[[Handler], Queue]
) -> None:
    """The one in doubt is asked for again, but not with the time that it had for its wait."""

    def handler(request: httpx.Request) -> httpx.Response:
        if kind_of(request) == "consumers":
            return registered()
        raise httpx.ReadError("injected", request=request)

    queue = opened(handler)
    with pytest.raises(OutcomeUnknownError) as caught:
        queue.reserve(timeout_s=15)
    began_s = clock.now()
    with pytest.raises(NoQuorumError, match="not sent"):
        queue.reserve()
    assert clock.now() - began_s <= DEADLINE_S
    began_s = clock.now()
    with pytest.raises(OutcomeUnknownError):
        caught.value.resolve()
    assert clock.now() - began_s <= DEADLINE_S


def test_each_part_of_a_request_has_the_time_that_is_left(
    clock: Clock, opened: Callable[[Handler], Queue]
) -> None:
    """A connect that took most of it leaves the answer little; nothing has less than 0.1 s."""
    left: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions["timeout"]
        left.append(timeouts.get("connect"))
        clock.sleep(6)
        left.append(timeouts.get("read"))
        clock.sleep(6)
        left.append(timeouts.get("read"))
        raise httpx.ReadTimeout("injected", request=request)

    with pytest.raises(OutcomeUnknownError):
        opened(handler).put(b"x")
    assert left == [8, 2, 0.1]


def behind_another(
    queue: Queue, clock: Clock, asked: threading.Event, other: Callable[[], object]
) -> threading.Thread:
    """Let another thread make a call, until it has asked; then let the time pass."""
    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert asked.wait(SOON_S)
    clock.sleep(DEADLINE_S)
    queue.deadline_s = 0.01  # of real time, in which a lock waits
    return thread


def test_a_put_does_not_wait_for_that_of_another_thread_beyond_its_deadline(
    clock: Clock, opened: Callable[[Handler], Queue]
) -> None:
    """It was not sent, and says so."""
    asked, answered = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        asked.set()
        assert answered.wait(SOON_S)
        return httpx.Response(201, json={"ids": ["item-1"], "zxid": 1, "duplicates": []})

    queue = opened(handler)
    thread = behind_another(queue, clock, asked, lambda: queue.put(b"first"))
    with pytest.raises(NoQuorumError, match="not sent"):
        queue.put(b"second")
    answered.set()
    thread.join(SOON_S)
    assert len(seen) == 1


@pytest.mark.parametrize("verb", ["items", "reserve", "done"])
def test_an_outcome_that_another_thread_asks_for_stays_in_doubt(
    clock: Clock, opened: Callable[[Handler], Queue], verb: str
) -> None:
    """`resolve` ends by its own deadline, and can be called again."""
    asked, answered = threading.Event(), threading.Event()
    asks = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asks
        kind = kind_of(request)
        if kind == "consumers":
            return registered()
        if kind == "reserve" and verb == "done":
            item = {"name": "item-1", "data64": "", "delivery": 1, "fence": 5, "put_zxid": 4}
            return httpx.Response(200, json=[item])
        asks += 1
        if asks == 1:
            clock.sleep(DEADLINE_S)
            raise httpx.ReadError("injected", request=request)
        asked.set()
        assert answered.wait(SOON_S)
        told = {"ids": ["item-1"], "zxid": 9, "duplicates": []}
        return httpx.Response(204) if kind == "reserve" else httpx.Response(201, json=told)

    queue = opened(handler)
    calls: dict[str, Callable[[], object]] = {
        "items": lambda: queue.put(b"x"),
        "reserve": queue.reserve,
        "done": lambda: queue.done(*queue.reserve().items),
    }
    with pytest.raises(OutcomeUnknownError) as caught:
        calls[verb]()
    thread = behind_another(queue, clock, asked, caught.value.resolve)
    with pytest.raises(OutcomeUnknownError, match="another thread"):
        caught.value.resolve()
    answered.set()
    thread.join(SOON_S)
    assert caught.value.resolve()[0].took_effect is (verb != "reserve")
