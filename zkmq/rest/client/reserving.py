"""Reserving over HTTP: a reserve without an answer is asked for again, by its key."""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zkmq.doubt import Doubt, Write
from zkmq.errors import AckUnknownError, ConsumerLostError, NoQuorumError, OutcomeUnknownError
from zkmq.rest.client.exchange import Reply, answering, asked_by_another
from zkmq.rest.client.registration import RemoteRegistration
from zkmq.taking.finish import DONE, Done
from zkmq.taking.reserve import Reservation
from zkmq.tree.item import Hold, Item
from zkmq.zookeeper.call_lock import CallLock


@dataclass(eq=False, slots=True)
class Request:
    """A reserve as it is sent, and sent again: with a key, by which it has the same answer."""

    registration: RemoteRegistration
    arguments: Mapping[str, Any]
    done: Sequence[Item]
    doubt: Doubt | None = None
    key: str = field(default_factory=lambda: secrets.token_hex(8))


class Reserving:
    """The reserves of one client, and those of them that are in doubt. Thread-safe.

    `now` is the clock of deadlines, and `deadline` gives the one of a question that is asked now.
    """

    def __init__(self, now: Callable[[], float], deadline: Callable[[], float]) -> None:
        self._deadline = deadline
        # Held while a reserve is asked for again: each has one answer.
        self._asking = CallLock(now)
        self._in_doubt: list[Request] = []
        # Items of such a reserve, for the next one.
        self._arrived: list[Item] = []

    def settle(self, done: Sequence[Item], deadline_s: float) -> None:
        """Ask for what is in doubt until it is answered.

        Raises:
            OutcomeUnknownError: no answer, and it was to acknowledge the same items.
            NoQuorumError: no answer.
        """
        for request in list(self._in_doubt):
            try:
                self._ask_again(request, deadline_s)
            except OutcomeUnknownError as error:
                if done and all(item.in_doubt == (DONE, error.doubt) for item in done):
                    raise
                raise NoQuorumError("reserve: not sent, an earlier one is in doubt") from error

    def ask(self, request: Request, deadline_s: float) -> Reservation | None:
        """Ask once; None if the consumer was found lost, with nothing claimed.

        Raises:
            OutcomeUnknownError: no answer before the deadline; whatever was claimed comes with
                the next reserve.
            AckUnknownError: the consumer ended with this in doubt.
            ConsumerLostError: it had ended, and there was something to acknowledge.
        """
        registration = request.registration
        try:
            reply = self._send(request, deadline_s, unsure=False)
        except ConsumerLostError:
            registration.end()
            if request.done:
                raise
            return None  # nothing was claimed
        except AckUnknownError as error:
            registration.end()
            error.doubt = Doubt.for_ever("reserve")
            raise
        except OutcomeUnknownError as error:
            write = Write("reserve")
            error.doubt = request.doubt = Doubt([write], lambda _: self._resolve(request))
            for item in request.done:
                item.in_doubt = (DONE, error.doubt)
            self._in_doubt.append(request)
            raise
        return self._reserved(request, reply)

    def _resolve(self, request: Request) -> None:
        self._ask_again(request, self._deadline())

    def _ask_again(self, request: Request, deadline_s: float) -> None:
        """Ask for a reserve in doubt once more; what it claimed is for the next one.

        Raises:
            OutcomeUnknownError: still no answer.
        """
        doubt = request.doubt
        if doubt is None:
            return

        def ask() -> None:
            if request not in self._in_doubt:
                return
            try:
                with answering(doubt):
                    # Without more time for the wait that the gateway was asked for.
                    until_s = deadline_s - request.arguments["wait_s"]
                    reply = self._send(request, until_s, unsure=True)
                    found = self._reserved(request, reply)
                    self._arrived += found.items
                    took_effect = bool(found.items or found.done)
                    doubt.settle(took_effect=took_effect, zxid=found.zxid)
            finally:
                if doubt.answer is not None:
                    self._in_doubt.remove(request)
                    if doubt.answer.took_effect is None:
                        request.registration.end()

        self._asking.run_if_free(deadline_s, ask)
        if request in self._in_doubt:
            raise asked_by_another(doubt)

    def arrived(self, deadline_s: float) -> tuple[Item, ...]:
        """Items that came with a reserve in doubt, and are still held; handed out once.

        Raises:
            NoQuorumError: another thread asked for such a reserve until the deadline.
        """

        def take() -> list[Item]:
            arrived, self._arrived = self._arrived, []
            return arrived

        arrived = self._asking.run(deadline_s, take)
        return tuple(item for item in arrived if item.hold is Hold.HELD)

    def _send(self, request: Request, deadline_s: float, *, unsure: bool) -> Reply:
        return request.registration.post(
            "reserve", request.arguments, deadline_s, unsure=unsure, key=request.key
        )

    def _reserved(self, request: Request, reply: Reply) -> Reservation:
        registration, told = request.registration, reply.headers
        registration.consumer = told.get("Zkmq-Consumer", registration.consumer)
        items = tuple(_item(each, registration.consumer or "") for each in reply.value or ())
        registration.remove(request.done, Hold.DONE)
        registration.add(items)
        acked = Done(_number(told, "Zkmq-Done-Zxid"), reply.attempts) if request.done else None
        return Reservation(
            items,
            _number(told, "Zkmq-Zxid"),
            _number(told, "Zkmq-Read-Zxid"),
            reply.attempts,
            acked,
            _number(told, "Zkmq-Window") or 1,
            paused=told.get("Zkmq-Paused") == "true",
            looked=told.get("Zkmq-Looked") != "false",
        )


def _item(each: Mapping[str, Any], consumer: str) -> Item:
    return Item(
        base64.b64decode(each["data64"]),
        each["name"],
        consumer,
        each["delivery"],
        each["fence"],
        each["put_zxid"],
        header={key: each[key] for key in ("headers", "content_type", "group") if each.get(key)},
    )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    return None if text is None else int(text)
