"""One queue, through clients of either transport or of both, against a model of it."""

import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zkmq
import zkmq.rest.client

pytestmark = pytest.mark.docker
BOUNDED = settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PRIORITIES = (1, 100, 100, 500)
KINDS = ("put", "put", "put_many", "reserve", "reserve", "fused", "done", "release", "back")
RARE = ("bury", "kick", "purge", "delete", "inspect")
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS * 2 + RARE), st.integers(0, 1), st.integers(0, 3)),
    min_size=5,
    max_size=25,
)


@dataclass(order=True, slots=True)
class Entry:
    """An item in the order of the queue, and how often it was delivered."""

    priority: int
    place: int
    data: bytes = field(compare=False)
    deliveries: int = field(default=0, compare=False)


class Model:
    """What is where, and what each call must bring."""

    def __init__(self) -> None:
        self.waiting: list[Entry] = []
        self.dead: list[Entry] = []
        self._places = itertools.count()

    def append(self, priority: int, count: int) -> list[bytes]:
        """Put new items; return their values."""
        places = list(itertools.islice(self._places, count))
        self.back(Entry(priority, place, str(place).encode()) for place in places)
        return [str(place).encode() for place in places]

    def back(self, entries: Any) -> None:
        """Have entries wait at their places."""
        self.waiting = sorted([*self.waiting, *entries])

    def to_back(self, entry: Entry) -> None:
        """Have an entry wait behind all others of its priority."""
        entry.place = next(self._places)
        self.back([entry])

    def take(self, n: int) -> list[Entry]:
        """Deliver the first `n`."""
        taken, self.waiting = self.waiting[:n], self.waiting[n:]
        for entry in taken:
            entry.deliveries += 1
        return taken

    def kick(self, n: int) -> int:
        """Bring the first `n` dead back; `item.delivery` goes on where it was."""
        self.dead.sort()
        kicked, self.dead = self.dead[:n], self.dead[n:]
        self.back(kicked)
        return len(kicked)


@dataclass(slots=True)
class Client:
    """A client and what it holds: the items, and the model's entries of them."""

    queue: Any
    items: list[zkmq.Item] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def step(self, model: Model, kind: str, number: int) -> None:
        """Do one thing to the queue and to the model; they must agree."""
        priority = PRIORITIES[number]
        match kind:
            case "put":
                (data,) = model.append(priority, 1)
                self.queue.put(data, priority=priority)
            case "put_many":
                self.queue.put_many(model.append(priority, number + 2), priority=priority)
            case "reserve":
                found = self.queue.reserve(number + 1, sync=True).items
                self._hold(found, model.take(number + 1))
            case "fused":
                found = self.queue.reserve(number + 1, sync=True, done=self.items).items
                self.items, self.entries = [], []
                self._hold(found, model.take(number + 1))
            case "kick":
                assert self.queue.kick(number + 1).count == model.kick(number + 1)
            case "purge":
                self.queue.purge()
                model.waiting = []
            case "delete":
                first = self.queue.peek()
                deleted = sum(self.queue.delete(item.name).count for item in first * 2)
                assert deleted == len(first) == len(model.waiting[:1])
                del model.waiting[:1]
            case "inspect":
                seen = [self.queue.inspect(item.id) for item in self.items]
                assert [(item.data, item.place) for item in seen] == [
                    (entry.data, "held") for entry in self.entries
                ]
            case _ if self.items:
                self._end(model, kind, number % len(self.items))

    def _end(self, model: Model, kind: str, which: int) -> None:
        item, entry = self.items.pop(which), self.entries.pop(which)
        match kind:
            case "done":
                self.queue.done(item)
            case "release":
                self.queue.release(item)
                model.back([entry])
            case "back":
                self.queue.release(item, to="back")
                model.to_back(entry)
            case "bury":
                self.queue.bury(item, reason="the model says so")
                model.dead.append(entry)

    def _hold(self, items: Sequence[zkmq.Item], entries: Sequence[Entry]) -> None:
        seen = [(item.priority, item.data, item.delivery) for item in items]
        assert seen == [(entry.priority, entry.data, entry.deliveries) for entry in entries]
        self.items += items
        self.entries += entries


def emptied(queue: Any) -> list[tuple[bytes, int]]:
    """Take all that waits, for ever; return the values in order, with how often they came."""
    taken: list[tuple[bytes, int]] = []
    while items := queue.reserve(500, sync=True).items:
        taken += [(item.data, item.delivery) for item in items]
        queue.done(*items)
    return taken


@pytest.mark.parametrize("transports", ["kazoo kazoo", "rest rest", "kazoo rest"])
@BOUNDED
@given(steps=STEPS)
def test_a_queue_does_what_its_model_does(
    served: tuple[str, str], transports: str, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever two clients do in turn, over either transport, they see one queue with one order."""
    url, hosts = served
    path, model = f"/model-{transports.replace(' ', '-')}", Model()

    def opened(transport: str) -> Any:
        if transport == "rest":
            return zkmq.rest.client.Queue.connect(url, path, order="strict")
        return zkmq.Queue.connect(hosts, path, janitor=False, order="strict")

    with closing(opened("kazoo")) as outside:
        outside.kick(500)
        emptied(outside)
        one, other = map(opened, transports.split())
        with closing(one), closing(other):
            clients = Client(one), Client(other)
            for kind, which, number in steps:
                clients[which].step(model, kind, number)
            assert {p.data for p in one.peek(500, place="dead")} == {e.data for e in model.dead}
        for client in clients:
            model.back(client.entries)
        left = [(entry.data, entry.deliveries) for entry in model.take(500)]
        assert emptied(outside) == left
