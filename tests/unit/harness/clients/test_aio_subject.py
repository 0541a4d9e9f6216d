"""zkmq's own queues as subjects, that for asyncio on a real event loop: on a server in memory."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.clients import event_loop
from harness.clients.subject import SubjectConfig
from harness.clients.subject_lookup import connect
from harness.clients.zkmq_subjects import NotLookedError
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Returned
from zkmq.errors import NoQuorumError, NotHeldError
from zkmq.taking.reserve import Reservation


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as one:
        yield one


@pytest.fixture
def kind() -> str:
    """Give the name of the subject, where a test asks for no other."""
    return "aio"


@pytest.fixture
def subject(server: WireZooKeeper, kind: str) -> Iterator[Any]:
    """Give one client of a subject."""
    made = connect(SubjectConfig(kind=kind, hosts=server.address), lambda *_: None)
    yield made
    made.close()
    assert not loops()


@pytest.mark.parametrize("kind", ["aio", "zkmq"])
def test_its_calls_are_those_of_the_queue(subject: Any) -> None:
    """Each call tells what the history of a run records of it; those of `aio` are awaited."""
    assert subject.consumer is None
    put = subject.put("a", 100)
    assert put.zxid > 0
    subject.put_in_group(2, 50, "g")
    found = subject.reserve(5, 1.0, sync=True)
    assert [(item.value, item.delivery) for item in found.items] == [(2, 1), ("a", 1)]
    assert found.consumer == subject.consumer
    assert subject.leftover() == 2
    first, second = found.items
    assert subject.release([first]).zxid > found.zxid
    subject.done([second])
    again = subject.reserve(5, 0.0, sync=True)
    assert [(item.value, item.delivery) for item in again.items] == [(2, 2)]
    subject.done(again.items)
    empty = subject.reserve(1, 0.0, sync=True)
    assert empty.items == ()
    assert empty.read_zxid > 0
    assert subject.leftover() == 0


def test_no_time_to_look_is_not_an_empty_queue(
    subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that says nothing of the queue is no evidence against it, but a failed call."""
    queue = SimpleNamespace(
        reserve=lambda *_, **__: Reservation((), looked=False), consumer_id=None
    )
    monkeypatch.setattr(subject, "_queue", queue)
    with pytest.raises(NotLookedError) as raised:
        subject.reserve(1, 0.0, sync=True)
    assert raised.value.definite
    monkeypatch.undo()


@pytest.mark.parametrize("kind", ["aio", "zkmq"])
@pytest.mark.parametrize(
    ("now", "definite"), [("c1", True), ("c2", False), (None, False)], ids=["kept", "new", "lost"]
)
def test_a_call_that_lost_its_registration_is_in_doubt(
    subject: Any, kind: str, now: str | None, *, definite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task waits on when its claim is in doubt, and its next error says nothing of that one."""

    def reserve(*_: object, **__: object) -> Reservation:
        queue.consumer_id = now
        raise NoQuorumError("no answer in time")

    queue = SimpleNamespace(reserve=reserve, consumer_id="c1")
    monkeypatch.setattr(subject, "_queue", queue)
    with pytest.raises(Exception, match="no answer in time") as raised:
        subject.reserve(1, 0.0, sync=True)
    assert getattr(raised.value, "definite", False) is (definite or kind == "zkmq")
    monkeypatch.undo()


@pytest.mark.parametrize("kind", ["aio", "zkmq"])
def test_what_comes_back_is_noted_as_a_dead_consumers(server: WireZooKeeper, kind: str) -> None:
    """No client of a run limits the time of a hold, so nothing else may come back."""
    notes: list[tuple[str, Any]] = []
    config = SubjectConfig(kind=kind, hosts=server.address)
    made: Any = connect(config, lambda f, value: notes.append((f, value)))
    made._on_returned(Returned("c1", ("n",), (b"7",), "items", 9))
    made.close()
    told = {"consumer": "c1", "values": [7], "to": "items", "zxid": 9, "dead": True}
    assert notes == [("returned", told)]


def test_a_refused_call_is_definite(subject: Any) -> None:
    """The errors of the queue arrive as they are: one of no effect is marked as such."""
    subject.put(1, 100)
    found = subject.reserve(1, 1.0, sync=True)
    subject.release(found.items)
    with pytest.raises(NotHeldError) as raised:
        subject.done(found.items)
    assert raised.value.definite


def test_without_servers_a_client_is_a_definite_failure() -> None:
    """A client that cannot connect asked for nothing, and leaves no thread."""
    with pytest.raises(Exception, match="expected a session") as raised:
        connect(SubjectConfig(kind="aio", hosts="127.0.0.1:9", deadline_s=0.2), lambda *_: None)
    assert getattr(raised.value, "definite", False)
    assert not loops()


def loops() -> list[threading.Thread]:
    """Return the threads of event loops."""
    return [thread for thread in threading.enumerate() if thread.name == event_loop.NAME]
