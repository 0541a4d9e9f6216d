"""Asking the gateway until it answers, and knowing afterwards what that was worth."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from zkmq.doubt import Doubt
from zkmq.errors import (
    AckUnknownError,
    ClosedError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    ZkmqError,
)
from zkmq.rest.queues.error_translation import NO_SUCH_ITEM, from_http

# How long one attempt may take, besides what the gateway was asked to wait.
ATTEMPT_S = 10.0
# The parts of a request for which httpx has a timeout of its own, and the shortest one.
_PARTS = ("pool", "connect", "write", "read")
_LEAST_S = 0.1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
# Certainly not sent: the connection was never made.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# After a lost answer these may speak of a time after the first attempt took effect.
_VAGUE = frozenset(
    {
        "consumer-lost",
        "queue-full",
        "access-denied",
        "server-refused",
        "clients-too-old",
        "outdated-client",
        "incompatible-tree",
    }
)
# Those that name no code and say the same of every copy of a request: they are about its content.
_STEADY = frozenset({400, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of success: when its request was sent, and after how many attempts.

    `value` is None if the answer has no body, or says that there is no such item.
    """

    status: int
    headers: Mapping[str, str]
    value: Any
    sent_s: float
    attempts: int


class Exchange:
    """Requests that the gateway knows how to do only once, so that they may be sent again.

    `now` and `sleep` are a monotonic clock in seconds and a way to wait for it.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self.now = now

    def ask(
        self,
        method: str,
        path: str,
        deadline_s: float,
        *,
        wait_s: float = 0.0,
        repeat: bool = True,
        unsure: bool = False,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request until it is answered.

        `wait_s` is how long the gateway was asked to wait; `repeat=False` is for requests that
        may be sent again only if they certainly were not received; `unsure` says that an earlier
        call sent this one, and had no answer.

        Raises:
            OutcomeUnknownError: no answer before the deadline, and it may have taken effect.
            NoQuorumError: certainly not applied before the deadline.
            ZkmqError: what the queue raised at the gateway.
        """
        attempt = _Attempt(self, method, path, deadline_s + wait_s, wait_s)
        attempt.unsure = unsure
        pause_s = _FIRST_PAUSE_S
        while True:
            reply = attempt.send(self._client, content, headers or {})
            if reply is not None:
                return reply
            if attempt.unsure and not repeat:
                raise OutcomeUnknownError(f"{method} {path}: {attempt.trouble}")
            if self.now() + pause_s >= attempt.until_s:
                raise attempt.given_up()
            self._sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 -- spreads clients
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class _TimeLeft(Mapping[str, float]):
    """The timeouts of one request: each part of it, such as the connect, may take what is left."""

    def __init__(self, now: Callable[[], float], until_s: float) -> None:
        self._now = now
        self._until_s = until_s

    def __getitem__(self, part: str) -> float:
        if part not in _PARTS:
            raise KeyError(part)
        return max(_LEAST_S, self._until_s - self._now())

    def __iter__(self) -> Iterator[str]:
        return iter(_PARTS)

    def __len__(self) -> int:
        return len(_PARTS)


class _Attempt:
    """One request, sent as often as it takes."""

    def __init__(
        self, exchange: Exchange, method: str, path: str, until_s: float, wait_s: float
    ) -> None:
        self._exchange = exchange
        self._method, self._path = method, path
        self._limit_s = ATTEMPT_S + wait_s
        self._count = 0
        self.until_s = until_s
        self.unsure = False
        self.trouble = ""

    def send(
        self, client: httpx.Client, content: bytes | None, headers: Mapping[str, str]
    ) -> Reply | None:
        """Send once; None if it makes sense to send again."""
        sent_s = self._exchange.now()
        left = _TimeLeft(self._exchange.now, min(self.until_s, sent_s + self._limit_s))
        self._count += 1
        try:
            response = client.request(
                self._method,
                self._path,
                content=content,
                headers=headers,
                extensions={"timeout": left},
            )
        except _UNSENT as error:
            self.trouble = f"not reachable ({error})"
            return None
        except httpx.RequestError as error:
            self.trouble = f"no answer ({type(error).__name__})"
            self.unsure = True
            return None
        except RuntimeError as error:
            if client.is_closed:  # by another thread
                raise self._closed() from error
            raise
        if response.is_success:
            try:
                value = response.json() if response.content else None
            except ValueError:
                self.trouble, self.unsure = f"{response.status_code} without JSON", True
                return None
            return Reply(response.status_code, response.headers, value, sent_s, self._count)
        if response.status_code == 404 and _json(response).get("error") == NO_SUCH_ITEM:
            return Reply(response.status_code, response.headers, None, sent_s, self._count)
        self._judge(response)
        return None

    def given_up(self) -> ZkmqError:
        """Return the error for the deadline's end."""
        message = (
            f"{self._method} {self._path}: no success in time after {self._count} attempts; "
            f"last: {self.trouble}"
        )
        if self.unsure:
            return OutcomeUnknownError(f"{message}; it may have taken effect, or may yet")
        return NoQuorumError(message)

    def _closed(self) -> ZkmqError:
        message = f"{self._method} {self._path}: the queue was closed"
        if self.unsure:
            return AckUnknownError(f"{message} while this was asked for again")
        return ClosedError(f"{message}; connect a new one")

    def _judge(self, response: httpx.Response) -> None:
        """Raise an error that a repetition cannot mend; note one that it may mend."""
        body = _json(response)
        if response.status_code >= 500 and body.get("error") != "ack-unknown":
            self.trouble = f"{response.status_code} {body.get('message', '')}"
            # 503 without the mark says that nothing was sent on.
            if response.status_code != 503 or body.get("outcome") == "unknown":
                self.unsure = True
            return
        error = from_http(response.status_code, body)
        code = body.get("error")
        if self.unsure and (code in _VAGUE if code else response.status_code not in _STEADY):
            raise AckUnknownError(
                f"{error}; an attempt before it was not answered, and may have taken effect"
            )
        raise error


@contextmanager
def answering(doubt: Doubt) -> Iterator[None]:
    """Tell a call in doubt what a refusal of the same, asked for again, says of it."""
    try:
        yield
    except AckUnknownError:
        doubt.settle(took_effect=None)
    except OutcomeUnknownError as error:
        error.doubt = doubt
        raise
    except NotAppliedError:  # nor was the first copy: the gateway remembers what it did
        doubt.settle(took_effect=False)


def asked_by_another(doubt: Doubt) -> OutcomeUnknownError:
    """The error of a call in doubt for which another thread asked until the deadline."""
    error = OutcomeUnknownError(
        f"{doubt.label}: still in doubt: another thread asks for an outcome, and has no answer yet"
    )
    error.doubt = doubt
    return error


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
