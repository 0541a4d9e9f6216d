"""Celery as a subject: real tasks and a real worker, on a server in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.clients.celery_subject import CelerySubject
from harness.clients.subject import SubjectConfig, Taken
from harness.clients.subject_lookup import connect
from worlds.wire.zookeeper import WireZooKeeper
from zkmq.zookeeper.session.kazoo_store import KazooStore

pytestmark = pytest.mark.medium

WAIT_S = 60.0

Connect = Callable[[], Any]


@pytest.fixture
def server() -> Iterator[WireZooKeeper]:
    """Give a server in memory."""
    with WireZooKeeper() as one:
        yield one


@pytest.fixture
def subject(server: WireZooKeeper) -> Iterator[Any]:
    """Give one client of the subject `celery`."""
    config = SubjectConfig(kind="celery", hosts=server.address, session_timeout_s=4.0)
    made = connect(config, lambda *_: None)
    yield made
    made.close()


def taken(subject: Any) -> Taken:
    """The next task that the worker runs."""
    (item,) = subject.reserve(1, WAIT_S, sync=False).items
    assert isinstance(item, Taken)
    return item


def test_a_put_is_a_task_and_done_its_acknowledgement(subject: Any, server: WireZooKeeper) -> None:
    """What is put is run by a worker, is held while it runs, and is gone after `done`."""
    assert subject.consumer is None
    for value in (1, "two"):
        subject.put(value, 100)
    first = taken(subject)
    assert (first.value, first.delivery, subject.leftover()) == (1, 1, 1)
    assert subject.consumer.startswith("consumer-")
    assert places(server)["claims"] == [1]
    assert places(server)["items"] == ["two"]
    subject.done([first])
    second = taken(subject)
    assert second.value == "two"
    subject.done([second])
    assert not subject.reserve(1, 0.0, sync=True).items
    assert subject.leftover() == 0


def test_a_released_task_comes_again(subject: Any) -> None:
    """`release` lets the worker reject the task with requeue, and it is delivered a second time."""
    subject.put(7, 100)
    subject.release([taken(subject)])
    again = taken(subject)
    assert (again.value, again.delivery) == (7, 2)
    subject.done([again])


def test_the_end_of_a_client_gives_its_task_back(server: WireZooKeeper) -> None:
    """A client that is closed while its worker runs a task leaves the task to the next client."""
    config = SubjectConfig(kind="celery", hosts=server.address)
    first = connect(config, lambda *_: None)
    first.put(1, 0)
    taken(first)
    first.close()
    second = connect(config, lambda *_: None)
    try:
        again = taken(second)
        assert again.value == 1
        second.done([again])
    finally:
        second.close()


def test_without_servers_a_client_is_a_definite_failure() -> None:
    """A client that cannot connect asked for nothing, so it may try again."""
    config = SubjectConfig(kind="celery", hosts="127.0.0.1:9", deadline_s=0.2)
    with pytest.raises(Exception, match="expected a session") as raised:
        connect(config, lambda *_: None)
    assert getattr(raised.value, "definite", False)


def places(server: WireZooKeeper) -> dict[str, list[Any]]:
    """Where the values are, read from a raw copy of the tree."""
    store = KazooStore.connect(server.address)
    try:
        nodes = dict(copied(store, "/queue"))
    finally:
        store.close()
    return CelerySubject.places(nodes, "/queue")


def copied(store: KazooStore, path: str) -> Iterator[tuple[str, bytes]]:
    """Each node below a path, with its data."""
    from zkmq.zookeeper.store import GetData, Znode  # noqa: PLC0415

    deadline_s = store.now() + WAIT_S
    (node,) = store.read_many([GetData(path)], deadline_s).results
    if isinstance(node, Znode):
        yield path, node.data
    for child in store.list(path, deadline_s) or []:
        yield from copied(store, f"{path}/{child}")
