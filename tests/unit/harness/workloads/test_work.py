"""The workload `work`: zkmq's worker loop on a client that records, here on one of notes."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from harness.clients.client import Client
from harness.clients.subject import Taken
from harness.common.harness_errors import ScenarioError
from harness.workloads.work import RecordedConsumer, Work
from zkmq import Item
from zkmq.tree.item import Hold


def item(number: int, delivery: int = 1) -> Item:
    """One delivery of an item."""
    name = f"item-100-0000000000-{number:010d}"
    return Item(b"%d" % number, name, "consumer-0", delivery, 1, 1, header={"deliveries": delivery})


class NotedClient:
    """A client of a queue with some items, of which released ones come back."""

    def __init__(self, count: int, *, breaks_at: int | None = None) -> None:
        self.waiting = [item(number) for number in range(count)]
        self.process, self.found_empty = 0, False
        self.calls: list[tuple[str, list[int]]] = []
        self._held: list[Item] = []
        self._breaks_at = breaks_at

    def puts_over(self) -> bool:
        return True

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> list[Taken]:
        taken, self.waiting = self.waiting[:n], self.waiting[n:]
        self._held += taken
        self.found_empty = not taken
        return [Taken(value=int(each.data), handle=each) for each in taken]

    def done(self, items: Sequence[Taken]) -> bool:
        return self._end("done", items, Hold.DONE)

    def release(self, items: Sequence[Taken]) -> bool:
        ended = self._end("release", items, Hold.RETURNED)
        self.waiting += [item(int(each.handle.data), each.handle.delivery + 1) for each in items]
        return ended

    def _end(self, f: str, items: Sequence[Taken], hold: Hold) -> bool:
        self.calls.append((f, [int(each.handle.data) for each in items]))
        if len(self.calls) == self._breaks_at:  # in doubt: all that is held goes to others
            self.process += 1000
            self.waiting += [item(int(each.data), each.delivery + 1) for each in self._held]
            self._held = []
            return False
        for each in items:
            each.handle.hold = hold
            self._held.remove(each.handle)
        return True


def run(client: Any, **settings: Any) -> list[int]:
    """Run the workload; return what was acknowledged."""
    Work(**settings).run(cast(Client, client), 0)
    return sorted(number for f, numbers in client.calls for number in numbers if f == "done")


def test_every_item_is_acknowledged_once() -> None:
    """By the loop itself: it ends when the queue is empty and no more puts come."""
    client = NotedClient(30)
    assert run(client, concurrency=4) == list(range(30))
    assert client.waiting == []


def test_what_fails_is_given_back_and_comes_again() -> None:
    """Each third run of a handler fails."""
    client = NotedClient(10)
    assert run(client, concurrency=1, fail_every=3) == list(range(10))
    assert [f for f, _ in client.calls].count("release") >= 3


def test_what_was_held_in_doubt_is_lost_and_comes_again() -> None:
    """The client goes on as a new process, and the loop with it."""
    client = NotedClient(10, breaks_at=2)
    acknowledged = run(client, concurrency=1)
    assert set(acknowledged) == set(range(10))
    assert client.waiting == []


def test_a_queue_without_holds_cannot_be_worked_on() -> None:
    """The loop needs zkmq's items, and says so."""
    client = NotedClient(0)
    client.reserve = lambda *_, **__: [Taken(value=1)]  # type: ignore[method-assign]
    consumer = RecordedConsumer(cast(Client, client))
    with pytest.raises(ScenarioError, match="work: expected the subject zkmq"):
        consumer.reserve(1, timeout_s=0.0, done=(), sync=False, give_up=lambda: True)
