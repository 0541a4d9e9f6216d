"""A publish whose answer is lost: never a message lost in silence, and never one twice."""

from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from unit.zkmq.celery.conftest import Connect
from unit.zkmq.celery.test_transport import NEWS, broadcast, publish, receiving

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request
from worlds.memory.store import World
from zkmq.celery import UnsettledPublishError
from zkmq.celery.publishing import Publisher
from zkmq.errors import NoQuorumError, OutcomeUnknownError, ValueTooLargeError
from zkmq.zookeeper.store import Create

SHORT = {"deadline_s": 4.0}
ONCE = {"max_retries": 0}


def bodies(connection: Connection) -> list[Any]:
    """What is in the queue."""
    with receiving(connection) as received:
        return received.drain(3.0)


@pytest.mark.parametrize("fault", list(Fault))
def test_one_fault_loses_and_doubles_nothing(connect: Connect, broker: World, fault: Fault) -> None:
    """Whatever happens to the write of a publish, the message is in the queue exactly once."""
    with connect() as one:
        publish(one, 0)
        broker.faults = Strike("put", fault)
        publish(one, 1)
        assert bodies(one) == [0, 1]


def test_an_outcome_that_is_unknown_is_settled_by_the_retry(
    connect: Connect, broker: World
) -> None:
    """A publish that ends in doubt is not put again by a retry before the doubt is settled."""
    with connect(transport_options=SHORT) as one:
        publish(one, 0)
        broker.faults = Strike("put", Fault.CUT)
        publish(one, 1, retry_policy={"max_retries": 20})
        assert bodies(one) == [0, 1]


def test_without_settling_the_same_retry_doubles(
    connect: Connect, broker: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a publisher that takes a doubt for a failure puts the message twice."""
    monkeypatch.setattr(Publisher, "_settled", lambda *_: False)
    with connect(transport_options=SHORT) as one:
        publish(one, 0)
        broker.faults = Strike("put", Fault.CUT)
        publish(one, 1, retry_policy={"max_retries": 20})
        assert bodies(one) == [0, 1, 1]


def test_a_publish_without_retry_tells_that_its_outcome_is_unknown(
    connect: Connect, broker: World
) -> None:
    """Without retries the caller gets an error that says so; it is one that a retry may follow."""
    with connect(transport_options=SHORT) as one:
        publish(one, 0)
        broker.faults = Strike("put", Fault.CUT)
        with pytest.raises(OperationalError) as told:
            publish(one, 1, retry_policy=ONCE)
        assert isinstance(told.value.__cause__, OutcomeUnknownError)
        assert isinstance(told.value.__cause__, one.recoverable_channel_errors)


def test_a_doubt_outlives_neither_its_connection_nor_in_silence(
    connect: Connect, broker: World
) -> None:
    """A retry on another connection cannot settle the doubt: it raises, and puts nothing."""
    one = connect(transport_options=SHORT)
    publish(one, 0)
    channel = one.default_channel
    properties: dict[str, Any] = {}

    def attempt(through: Any) -> None:
        message = through.prepare_message("1", None, "application/json", "utf-8", None, properties)
        through.basic_publish(message, "", "tasks")

    broker.faults = Strike("put", Fault.CUT)
    with pytest.raises(OutcomeUnknownError):
        attempt(channel)
    one.close()
    with connect() as other:
        with pytest.raises(UnsettledPublishError, match="may be in the queue"):
            attempt(other.default_channel)
        assert not issubclass(UnsettledPublishError, other.recoverable_channel_errors)
        assert bodies(other)[0] == 0


def test_without_servers_a_publish_is_certainly_not_done(connect: Connect) -> None:
    """If nothing could be sent, that is a connection error, and kombu connects again."""
    with connect(transport_options=SHORT) as one:
        publish(one, 0)
        one.transport.session.store.cut(60.0)
        with pytest.raises(OperationalError) as told:
            publish(one, 1, retry_policy=ONCE)
        assert isinstance(told.value.__cause__, NoQuorumError)


def test_a_message_that_is_too_large_is_refused(connect: Connect) -> None:
    """A message of more than 1 MB is refused before anything is sent, and says what to do."""
    with connect() as one, pytest.raises(ValueTooLargeError, match="put a reference"):
        publish(one, "x" * 1_100_000)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_a_broadcast_whose_answer_is_lost_arrives_once(
    connect: Connect, broker: World, fault: Fault
) -> None:
    """A copy of a message in a mailbox is found by its id, by the servers or by the reader."""
    struck = []

    def strike(number: int, request: Request) -> Fault | None:
        first = request.ops[0] if request.ops else None
        if not struck and isinstance(first, Create) and "/m-" in first.path:
            struck.append(first.path)
            return fault
        return None

    mine = Queue("mine", NEWS, exclusive=True)
    with connect() as one, connect() as other, receiving(one, mine) as received:
        broker.faults = strike
        broadcast(other, "hello")
        assert received.drain(5.0) == ["hello"]
    assert struck
