"""A broker whose tree is of another release, or no broker at all: each is one error, at once."""

import pytest
from unit.zkmq.celery.conftest import Connect
from unit.zkmq.celery.test_transport import TASKS, Received, publish

from worlds.memory.store import World
from zkmq.errors import IncompatibleTreeError, OutdatedClientError
from zkmq.tree.compatibility.charter import Charter
from zkmq.zookeeper.store import SetData

ROOT = "/celery/queues/tasks"
NEWER = Charter(min_reader=99, min_writer=99)


def write(broker: World, op: SetData) -> None:
    """Write past zkmq."""
    other = broker.client("other")
    other.commit([op], broker.scheduler.now_s + 9)


def test_a_newer_tree_refuses_to_publish(connect: Connect, broker: World) -> None:
    """A publisher of a release that is too old is told so, and kombu does not repeat it."""
    with connect() as connection:
        publish(connection, 1)
        write(broker, SetData(ROOT, NEWER.encode(), -1))
        with pytest.raises(OutdatedClientError, match="upgrade"):
            publish(connection, 2, retry_policy={"max_retries": 100})


def test_a_newer_tree_ends_a_consumer_with_that_error(connect: Connect, broker: World) -> None:
    """A worker gets the error where it waits for messages; it does not wait for ever."""
    with connect() as connection:
        publish(connection, 1)
        consumer = Received(connection, TASKS)
        consumer.consume()
        assert consumer.drain() == [1]
        write(broker, SetData(ROOT, NEWER.encode(), -1))
        with pytest.raises(OutdatedClientError, match="version 99"):
            consumer.drain(200.0)


def test_what_is_no_queue_is_refused(connect: Connect, broker: World) -> None:
    """A node of another program at the place of a queue: the error names it."""
    with connect() as connection:
        publish(connection, 1)
        write(broker, SetData(ROOT, b"of another program", -1))
        with pytest.raises(IncompatibleTreeError, match=ROOT):
            publish(connection, 2)
