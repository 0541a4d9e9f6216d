"""A client's consumer over HTTP, when its gateway is another one than before."""

from collections.abc import Callable

import httpx
import pytest

import zkmq
from zkmq.rest.client import Queue

Step = Callable[[httpx.Request], httpx.Response]


def lost(_: httpx.Request) -> httpx.Response:
    """Say that there is no such consumer, as a new gateway does."""
    return httpx.Response(409, json={"error": "consumer-lost", "message": "expected a live one"})


def cut(request: httpx.Request) -> httpx.Response:
    """Take the request, and die."""
    raise httpx.ReadError("injected", request=request)


def empty(_: httpx.Request) -> httpx.Response:
    """Say that the queue is empty."""
    return httpx.Response(204)


def queue(*steps: Step) -> tuple[Queue, list[str]]:
    """A queue whose gateway does these steps, one for each reserve; and who asked for them."""
    left, asked, made = iter(steps), list[str](), iter("abc")

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/consumers"):
            told = {"consumer": next(made), "session": "1", "session_s": 60}
            return httpx.Response(201, json=told)
        if request.url.path.endswith("/reserve"):
            asked.append(request.url.path.split("/")[-2])
            return next(left)(request)
        return httpx.Response(204)

    return Queue("http://g", http={"transport": httpx.MockTransport(handle)}), asked


def test_a_reserve_in_doubt_at_its_consumers_end_is_unknown() -> None:
    """What an unanswered reserve claimed went with its consumer: the caller is told, once."""
    taker, asked = queue(cut, lost, empty)
    with pytest.raises(zkmq.AckUnknownError):
        taker.reserve()
    assert taker.reserve().items == ()
    assert asked == ["a", "a", "b"]


def test_a_reserve_that_nobody_took_is_asked_of_a_new_consumer() -> None:
    """Without an attempt in doubt nothing was claimed, so the same call registers anew."""
    taker, asked = queue(lost, empty)
    assert taker.reserve().items == ()
    assert asked == ["a", "b"]
