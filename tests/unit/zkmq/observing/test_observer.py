"""What a client tells of its work: each count and time, and never an error of the listener."""

import logging
from collections import Counter

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open, janitor_of, swept
from worlds.memory.store import World
from zkmq import BadArgumentError, OutcomeUnknownError
from zkmq.observing.observer import COUNTERS, HISTOGRAMS


class Notes:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: list[tuple[str, float, dict[str, str]]] = []
        self.labels: list[dict[str, str]] = []

    def count(self, name: str, by: int, labels: dict[str, str]) -> None:
        assert name in COUNTERS
        assert by > 0
        self.counts[name] += by
        self.labels.append(labels)

    def observe(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        assert name in HISTOGRAMS
        assert seconds >= 0
        self.times.append((name, seconds, labels))
        self.labels.append(labels)

    def calls(self, label: str) -> list[str]:
        """The outcomes of these calls."""
        return [about["outcome"] for name, _, about in self.times if about.get("call") == label]


@pytest.fixture
def notes() -> Notes:
    """Give an observer."""
    return Notes()


def test_items_are_counted_by_what_became_of_them(opened: Open, notes: Notes) -> None:
    """And measured from the reserve to the end, with the fused acknowledgements."""
    queue = opened(observer=notes, max_deliveries=2)
    queue.put_many([b"a", b"b", b"c", b"d"])
    queue.put(b"e", dedup_id="e")
    queue.put(b"e", dedup_id="e")
    first, second, third, fourth, fifth = queue.reserve(5, sync=True).items
    queue._store.sleep(10.0)
    queue.done(first)
    found = queue.reserve(done=[second])
    queue.bury(third, reason="bad")
    queue.release(fourth, fifth)
    again = queue.reserve(2, sync=True).items
    queue.release(*again)
    assert found.items == ()
    assert notes.counts == {
        "items_put": 5,
        "items_taken": 7,
        "items_done": 2,
        "items_dead": 3,
        "items_released": 2,
    }
    held = [(labels["end"], seconds) for name, seconds, labels in notes.times if "end" in labels]
    assert Counter(end for end, _ in held) == {"done": 2, "bury": 1, "release": 4}
    assert min(seconds for end, seconds in held[:3]) >= 10.0
    assert notes.calls("reserve") == ["ok"] * 3
    assert all(labels["queue"] == "/queue" for labels in notes.labels)


def test_calls_are_measured_by_their_outcome(world: World, opened: Open, notes: Notes) -> None:
    """Also those that were refused, and those in doubt; of a put, what is certain counts."""
    queue = opened(observer=notes, deadline_s=2.0)
    world.session_timeout_s = 1000
    with pytest.raises(BadArgumentError):
        queue.put(b"a", priority=-1)
    world.faults = Strike("put", Fault.LOSE_REPLY, times=10_000, skip=2)
    with pytest.raises(OutcomeUnknownError):
        queue.put_many([b"a", b"b", b"c"], batch=1)
    world.faults = no_faults
    assert notes.calls("put") == ["refused", "unknown"]
    assert notes.counts == {"items_put": 2}


def test_what_is_lost_and_returned_is_counted(world: World, opened: Open, notes: Notes) -> None:
    """A session that ended, what it held, and what a janitor took back."""
    queue = opened(observer=notes)
    queue.put_many([b"a", b"b"])
    queue.reserve(2, sync=True)
    queue._store.expire()  # type: ignore[attr-defined]
    world.scheduler.sleep(5.0)
    queue.reserve()
    assert (notes.counts["sessions_lost"], notes.counts["items_lost"]) == (1, 2)


def test_an_observer_that_fails_changes_nothing(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Its errors are logged, and the queue works as without it."""

    class Broken:
        def count(self, name: str, by: int, labels: dict[str, str]) -> None:
            raise RuntimeError(name)

        observe = count  # type: ignore[assignment]

    queue = opened(observer=Broken())
    queue.put(b"a")
    queue.done(*queue.reserve(sync=True).items)
    assert "the observer failed" in caplog.text


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    """The events that were logged, with their fields."""
    return [
        (record.zkmq_event, record.zkmq_fields)  # type: ignore[attr-defined]
        for record in caplog.records
        if record.name == "zkmq.events"
    ]


def test_events_are_logged_with_their_facts(
    world: World, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a session, an election, items that return, and dead letters; each once."""
    caplog.set_level(logging.INFO, "zkmq.events")
    janitor = janitor_of(world)
    queue = opened()
    queue.put_many([b"a", b"b", b"c"])
    (item,) = queue.reserve(sync=True).items
    swept(janitor, world, steps=3)
    assert [name for name, _ in events(caplog)] == ["janitor-elected"]
    caplog.clear()
    consumer = queue.consumer_id
    queue._store.expire()  # type: ignore[attr-defined]
    world.scheduler.sleep(5.0)
    swept(janitor, world)
    (lost, lost_fields), (returned, returned_fields) = events(caplog)
    assert (lost, returned) == ("session-lost", "item-returned")
    assert lost_fields["consumer"] == returned_fields["consumer"] == consumer
    assert lost_fields["items"] == returned_fields["items"] == [item.name]
    assert returned_fields["to"] == "items"
    assert caplog.messages[0].endswith(f" has ended; {consumer} held {item.name}")
    assert caplog.messages[1].startswith(f"/queue: the janitor moved {item.name} of {consumer} to")
    caplog.clear()
    buried = queue.reserve(2, sync=True).items
    queue.bury(*buried, reason="bad")
    assert caplog.messages == [f"/queue: put aside as dead: {buried[0].name} and 1 more: bad"]
    ((dead, fields),) = events(caplog)
    assert (dead, fields["count"], fields["reason"], fields["queue"]) == (
        "item-dead", 2, "bad", "/queue",
    )  # fmt: skip


def test_dead_letters_of_every_kind_are_logged(
    world: World, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """By release, by the janitor, and by the consumer that finds one that has expired."""
    queue = opened(max_deliveries=1)
    queue.put_many([b"a", b"b"])
    queue.put(b"c", expires_s=1.0)
    (first,) = queue.reserve(1, sync=True).items
    queue.release(first)
    queue.reserve(1, sync=True)
    queue._store.expire()  # type: ignore[attr-defined]
    world.scheduler.sleep(5.0)
    swept(janitor_of(world), world)
    queue.reserve(sync=True)
    dead = [fields for name, fields in events(caplog) if name == "item-dead"]
    assert [fields["count"] for fields in dead] == [1, 1, 1]
    assert [str(fields.get("reason"))[:10] for fields in dead] == [
        "released a",
        "None",
        "it expired",
    ]
