"""Asking until answered: what is sent again, and what an end without an answer is worth."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import zkmq
from zkmq.rest.client.exchange import Exchange

Step = Callable[[httpx.Request], httpx.Response]


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def now(self) -> float:
        """Seconds."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


def exchange(steps: Iterator[Step]) -> tuple[Exchange, list[httpx.Request]]:
    """An exchange with a gateway that does these steps, one for each request."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(steps)(request)

    clock = Clock()
    client = httpx.Client(transport=httpx.MockTransport(handle), base_url="http://g/")
    return Exchange(client, now=clock.now, sleep=clock.sleep), seen


def answer(status: int, **body: Any) -> Step:
    """Answer."""
    return lambda _: httpx.Response(status, json=body)


def fail(error: type[httpx.RequestError]) -> Step:
    """Fail."""

    def step(request: httpx.Request) -> httpx.Response:
        raise error("injected", request=request)

    return step


def forever(step: Step) -> Iterator[Step]:
    """The same again and again."""
    while True:
        yield step


LOST = fail(httpx.ReadError)
GARBLED = fail(httpx.DecodingError)
UNSENT = fail(httpx.ConnectError)
BUSY = answer(503, error="no-quorum", message="away")
UNKNOWN = answer(504, error="outcome-unknown", outcome="unknown", message="late")
FINE = answer(200, zxid=7)


@pytest.mark.parametrize(
    "trouble", [LOST, UNSENT, BUSY, UNKNOWN, GARBLED, answer(500), answer(502)]
)
def test_sends_again(trouble: Step) -> None:
    """After trouble the very same request is sent again, until it is answered."""
    asked, seen = exchange(iter([trouble, trouble, FINE]))
    reply = asked.ask("POST", "x", 30, content=b"body", headers={"Idempotency-Key": "k"})
    assert (reply.value, reply.attempts) == ({"zxid": 7}, 3)
    assert {(r.content, r.headers["idempotency-key"]) for r in seen} == {(b"body", "k")}


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (UNSENT, zkmq.NoQuorumError),
        (BUSY, zkmq.NoQuorumError),
        (LOST, zkmq.OutcomeUnknownError),
        (UNKNOWN, zkmq.OutcomeUnknownError),
        (answer(500), zkmq.OutcomeUnknownError),
        (answer(503, outcome="unknown"), zkmq.OutcomeUnknownError),
    ],
)
def test_deadline(trouble: Step, expected: type[Exception]) -> None:
    """At the deadline it is unknown if any attempt may have arrived, else certainly not done."""
    asked, seen = exchange(forever(trouble))
    with pytest.raises(expected):
        asked.ask("POST", "x", 5)
    assert 3 < len(seen) < 60
    assert asked.now() <= 5


def test_one_lost_answer_is_enough() -> None:
    """A lost answer among refusals makes the end unknown."""
    asked, _ = exchange(iter([LOST, *([BUSY] * 99)]))
    with pytest.raises(zkmq.OutcomeUnknownError):
        asked.ask("POST", "x", 5)


@pytest.mark.parametrize(
    ("code", "status", "alone", "after_loss"),
    [
        ("not-held", 409, zkmq.NotHeldError, zkmq.NotHeldError),
        ("bad-argument", 400, zkmq.BadArgumentError, zkmq.BadArgumentError),
        ("consumer-lost", 409, zkmq.ConsumerLostError, zkmq.AckUnknownError),
        ("queue-full", 429, zkmq.QueueFullError, zkmq.AckUnknownError),
    ],
)
def test_refusals(
    code: str, status: int, alone: type[Exception], after_loss: type[Exception]
) -> None:
    """A refusal ends it; after a lost answer one that may be news is no proof of no effect."""
    refusal = answer(status, error=code, message="no")
    for steps, expected in (([refusal], alone), ([LOST, refusal], after_loss)):
        asked, _ = exchange(iter(steps))
        with pytest.raises(expected) as caught:
            asked.ask("POST", "x", 5)
        assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("status", "alone", "after_loss"),
    [
        (401, zkmq.AccessDeniedError, zkmq.AckUnknownError),
        (403, zkmq.AccessDeniedError, zkmq.AckUnknownError),
        (404, zkmq.BadArgumentError, zkmq.AckUnknownError),
        (400, zkmq.BadArgumentError, zkmq.BadArgumentError),
        (413, zkmq.BadArgumentError, zkmq.BadArgumentError),
    ],
)
def test_refusals_without_a_code(
    status: int, alone: type[Exception], after_loss: type[Exception]
) -> None:
    """A password that was changed, or an endpoint that is gone, says nothing of a lost attempt."""
    for steps, expected in (([answer(status)], alone), ([LOST, answer(status)], after_loss)):
        asked, _ = exchange(iter(steps))
        with pytest.raises(expected) as caught:
            asked.ask("POST", "x", 5)
        assert type(caught.value) is expected


def garbage(_: httpx.Request) -> httpx.Response:
    """Answer as no gateway does."""
    return httpx.Response(200, text="<html>welcome</html>")


def test_an_answer_that_is_no_gateways_is_none() -> None:
    """What a proxy says in a gateway's place is no success: it is asked again."""
    asked, _ = exchange(iter([garbage, FINE]))
    assert asked.ask("POST", "x", 5).attempts == 2
    asked, _ = exchange(forever(garbage))
    with pytest.raises(zkmq.OutcomeUnknownError, match="200 without JSON"):
        asked.ask("POST", "x", 5)


@pytest.mark.parametrize(
    ("trouble", "expected"), [(UNSENT, zkmq.ClosedError), (LOST, zkmq.AckUnknownError)]
)
def test_closed_under_way(trouble: Step, expected: type[Exception]) -> None:
    """A call that another thread's `close` ends says that, and whether it may have arrived."""

    def closing(request: httpx.Request) -> httpx.Response:
        asked._client.close()
        return trouble(request)

    asked, _ = exchange(iter([closing]))
    with pytest.raises(expected) as caught:
        asked.ask("POST", "x", 5)
    assert type(caught.value) is expected


def test_not_to_be_repeated() -> None:
    """What may not be done twice is sent again only if it was certainly not received."""
    asked, seen = exchange(iter([UNSENT, BUSY, LOST, FINE]))
    with pytest.raises(zkmq.OutcomeUnknownError):
        asked.ask("POST", "kick", 5, repeat=False)
    assert len(seen) == 3


def test_waiting_is_added() -> None:
    """The time that the gateway was asked to wait does not count against the deadline."""
    timeouts: list[float] = []

    def step(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        return httpx.Response(204)

    asked, _ = exchange(iter([step]))
    assert asked.ask("POST", "x", 1, wait_s=20).value is None
    assert timeouts == [21]


def test_no_json() -> None:
    """An answer of something that is no gateway is judged by its status."""
    asked, _ = exchange(iter([lambda _: httpx.Response(404, text="<html>")]))
    with pytest.raises(zkmq.BadArgumentError):
        asked.ask("GET", "x", 5)


def test_message() -> None:
    """The error of a deadline tells how often was asked, and what came last."""
    asked, _ = exchange(forever(BUSY))
    with pytest.raises(zkmq.NoQuorumError, match=r"after \d+ attempts; last: 503 away"):
        asked.ask("POST", "x", 5)
