"""The transport as kombu uses it: what is published arrives, and what is not acknowledged again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError
from kombu.pidbox import Mailbox
from unit.zkmq.celery.conftest import Connect

from worlds.memory.store import MemoryStore, World
from worlds.memory.zookeeper import CREATE, READ, WRITE, Quota
from zkmq.celery import SessionLostError
from zkmq.janitor.janitor import Janitor
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create

TASKS = Queue("tasks", Exchange("tasks", type="direct"), routing_key="tasks")
NEWS = Exchange("news", type="fanout")


def publish(connection: Connection, *bodies: Any, queue: Queue = TASKS, **options: Any) -> None:
    """Publish as Celery does: declare the queue, then name it."""
    producer = Producer(connection.default_channel, serializer="json")
    for body in bodies:
        producer.publish(
            body, exchange="", routing_key=queue.name, declare=[queue], retry=True, **options
        )


def broadcast(connection: Connection, body: Any, **options: Any) -> None:
    """Publish to all that listen."""
    producer = Producer(connection.default_channel, serializer="json")
    producer.publish(body, exchange=NEWS, declare=[NEWS], **options)


class Received(Consumer):  # type: ignore[misc]
    """A consumer that keeps its messages, and acknowledges nothing by itself."""

    def __init__(self, connection: Connection, *queues: Queue, **options: Any) -> None:
        self.messages: list[Any] = []
        self._connection = connection
        prefetch = options.pop("prefetch_count", None)
        super().__init__(
            connection.channel(), list(queues) or [TASKS], accept=["json"],
            on_message=self.messages.append, prefetch_count=prefetch, **options,
        )  # fmt: skip

    @property
    def bodies(self) -> list[Any]:
        """What came so far."""
        return [message.decode() for message in self.messages]

    def drain(self, timeout_s: float = 2.0) -> list[Any]:
        """Return the bodies of what comes until nothing comes for that long."""
        before = len(self.messages)
        try:
            while True:
                self._connection.drain_events(timeout=timeout_s)
        except TimeoutError:
            return self.bodies[before:]


@contextmanager
def receiving(connection: Connection, *queues: Queue, **options: Any) -> Iterator[Received]:
    """Consume for a while."""
    with Received(connection, *queues, **options) as received:
        yield received


def counts(connection: Connection, queue: str = "tasks") -> tuple[int, int, int]:
    """How many messages wait, are held, and are dead letters."""
    stats = connection.transport.session.queue(queue).stats()
    return sum(stats.waiting.values()), stats.held, stats.dead


def keep_house(broker: World) -> None:
    """Do what the janitor of the queue's clients does in a few seconds."""
    janitor = Janitor(
        broker.client("janitor"), QueueTree("/celery/queues/tasks"), name="janitor",
        segment_items=3, sweep_period_s=0.0,
    )  # fmt: skip
    for _ in range(5):
        janitor.step(broker.scheduler.now_s + 60)
        broker.scheduler.sleep(1.0)


def expire(connection: Connection) -> None:
    """End the connection's session on the servers, and let its client find out."""
    store = connection.transport.session.store
    assert isinstance(store, MemoryStore)
    store.expire()
    store.cut(0.1)


def test_what_is_published_is_delivered_and_acknowledged(connect: Connect) -> None:
    """A message passes between two connections, and is gone after its acknowledgement."""
    with connect() as producer, connect() as consumer:
        publish(producer, {"n": 1}, [2], "three")
        with receiving(consumer) as received:
            assert received.drain() == [{"n": 1}, [2], "three"]
            assert counts(producer) == (0, 3, 0)
            for message in received.messages:
                message.ack()
            received.channel.flush()
            assert counts(producer) == (0, 0, 0)


def test_a_binary_body_arrives_as_it_was(connect: Connect) -> None:
    """A body of bytes, with headers, content type and encoding, is not changed."""
    with connect() as one:
        body = bytes(range(256))
        publish(one, body, content_type="application/data", content_encoding="binary",
                headers={"a": "ä"})  # fmt: skip
        message = one.default_channel.basic_get("tasks")
        assert (message.body, message.content_type) == (body, "application/data")
        assert message.headers["a"] == "ä"
        assert message.delivery_info["redelivered"] is False
        assert one.default_channel.basic_get("tasks") is None


def test_a_closed_channel_gives_back_what_was_not_acknowledged(connect: Connect) -> None:
    """What a consumer still has when it closes is delivered again, and says so; the rest is not."""
    with connect() as one, connect() as other:
        publish(one, 1, 2, 3)
        with receiving(one) as received:
            received.drain()
            received.messages[1].ack()
            received.channel.close()
        with receiving(other) as received:
            assert received.drain() == [1, 3]


def test_a_requeued_message_has_its_old_place(connect: Connect) -> None:
    """A message that was requeued comes before those behind it, marked as delivered before."""
    with connect() as one:
        publish(one, 1, 2)
        with receiving(one, prefetch_count=1) as received:
            assert received.drain() == [1]
            received.messages[0].requeue()
            assert received.drain() == [1]
            assert received.messages[1].delivery_info["redelivered"] is True


def test_a_rejected_message_is_a_dead_letter(connect: Connect) -> None:
    """A rejected message is not lost: an operator finds it aside, and can bring it back."""
    with connect() as one:
        publish(one, 1)
        with receiving(one) as received:
            received.drain()
            received.messages[0].reject()
            received.channel.flush()
            assert counts(one) == (0, 0, 1)
            one.transport.session.queue("tasks").kick(1)
            assert received.drain(5.0) == [1]


def test_the_prefetch_count_is_never_exceeded(connect: Connect) -> None:
    """A consumer has as many messages as its prefetch count, and gets one for each it ends."""
    with connect() as one, connect() as other:
        publish(one, *range(10))
        with receiving(other, prefetch_count=3) as received:
            assert received.drain() == [0, 1, 2]
            assert counts(one) == (7, 3, 0)
            received.messages[1].ack()
            assert received.drain() == [3]
            received.qos(prefetch_count=5)
            assert received.drain() == [4, 5]
            received.qos(prefetch_count=0)
            assert received.drain() == [6, 7, 8, 9]


def test_queues_share_the_prefetch_count_and_each_has_its_turn(connect: Connect) -> None:
    """With one credit for two queues, a full queue does not keep an other one's messages away."""
    other = Queue("other", Exchange("tasks"), routing_key="other")
    with connect() as one, connect() as consumer:
        publish(one, *range(4))
        with receiving(consumer, TASKS, other, prefetch_count=1) as received:
            order: list[Any] = []
            for turn in range(5):
                if turn == 1:
                    publish(one, "other", queue=other)
                one.transport.session.store.sleep(1.0)
                order += received.drain(1.0)
                assert sum(counts(one, queue)[1] for queue in ("tasks", "other")) == 1
                received.messages[-1].ack()
            assert order.index("other") < 4
            assert sorted(map(str, order)) == ["0", "1", "2", "3", "other"]


def test_a_higher_priority_is_delivered_first(connect: Connect) -> None:
    """As in AMQP, 9 is the most urgent priority; what is beyond the range counts as its end."""
    with connect() as one:
        for priority in (0, 9, 4, 12, None, -1):
            publish(one, priority, priority=priority)
        with receiving(one) as received:
            assert received.drain() == [9, 12, 4, 0, None, -1]


def test_a_consumer_without_acknowledgements_takes_messages_for_good(connect: Connect) -> None:
    """With no_ack, a delivered message is gone."""
    with connect() as one:
        publish(one, 1, 2)
        with receiving(one, no_ack=True) as received:
            assert received.drain() == [1, 2]
            received.messages[0].ack()  # does nothing, as in AMQP
            received.channel.flush()
            assert counts(one) == (0, 0, 0)


def test_a_cancelled_consumer_keeps_what_it_has_and_gets_no_more(connect: Connect) -> None:
    """After the cancel, a message can still be acknowledged, and new ones stay in the queue."""
    with connect() as one:
        publish(one, 1)
        received = Received(one)
        received.consume()
        assert received.drain() == [1]
        received.cancel()
        publish(one, 2)
        assert received.drain() == []
        received.messages[0].ack()
        received.channel.flush()
        assert counts(one) == (1, 0, 0)


def test_two_consumers_of_one_queue_take_turns(connect: Connect) -> None:
    """Two consumers on one channel get the messages of a queue one after the other."""
    with connect() as one:
        publish(one, 1, 2, 3, 4)
        channel, first, second = one.channel(), [], []
        for tag, seen in (("a", first), ("b", second)):
            Consumer(channel, [TASKS], accept=["json"], tag_prefix=tag,
                     on_message=seen.append).consume()  # fmt: skip
        for _ in range(4):
            one.drain_events(timeout=2)
        assert [len(first), len(second)] == [2, 2]


def test_size_and_purge_count_what_waits(connect: Connect) -> None:
    """A declaration tells the size of a queue; a purge empties it, but for what is held."""
    with connect() as one:
        publish(one, 1, 2, 3, priority=4)
        assert one.default_channel.queue_declare("tasks").message_count == 3
        assert one.default_channel.basic_get("tasks").decode() == 1
        assert one.default_channel.queue_purge("tasks") == 2
        assert counts(one) == (0, 1, 0)


def test_a_deleted_queue_is_gone(connect: Connect, broker: World) -> None:
    """A deletion removes messages, bindings and znodes; a passive declaration then fails."""
    with connect() as one:
        publish(one, 1, 2)
        channel = one.default_channel
        channel.queue_delete("tasks", if_empty=True)
        assert channel.queue_declare("tasks", passive=True).message_count == 2
        channel.queue_delete("tasks")
        assert not [path for path in broker.dump() if "tasks," in path or "queues/" in path]
        with pytest.raises(ChannelError, match="no queue 'tasks'"):
            channel.queue_declare("tasks", passive=True)
        one.declared_entities.clear()
        publish(one, 3)
        assert counts(one) == (1, 0, 0)


def test_a_message_expires(connect: Connect, broker: World) -> None:
    """A message with a time to live is not delivered later than that, but set aside."""
    with connect() as one:
        publish(one, "short", expiration=2)
        publish(one, "long", expiration=60)
        publish(one, "never")
        ttl = Queue("ttl", message_ttl=2)
        publish(one, "queue's", queue=ttl)
        broker.scheduler.sleep(5)
        with receiving(one, TASKS, ttl) as received:
            assert sorted(received.drain()) == ["long", "never"]


def test_a_queues_time_to_live_is_that_queues_alone(connect: Connect, broker: World) -> None:
    """A message to two queues expires in the one that says so, and not in the other."""
    topics = Exchange("topics", type="topic")
    short = Queue("a", topics, routing_key="#", message_ttl=2)
    long = Queue("b", topics, routing_key="#")
    with connect() as one:
        for queue in (short, long):
            queue(one.default_channel).declare()
        Producer(one.default_channel, exchange=topics, serializer="json").publish("x")
        broker.scheduler.sleep(5)
        with receiving(one, short, long) as received:
            assert received.drain() == ["x"]


def test_a_task_with_an_eta_waits_in_the_queue(connect: Connect, broker: World) -> None:
    """A message with Celery's `eta` header is held by no consumer before that time."""
    due = datetime.now(tz=UTC) + timedelta(seconds=60)
    with connect() as one:
        publish(one, "later", headers={"eta": due.isoformat()})
        publish(one, "past", headers={"eta": "2001-01-01T00:00:00"})
        publish(one, "bad", headers={"eta": "soon"})
        assert one.transport.session.queue("tasks").stats().delayed == 1
        with receiving(one) as received:
            assert received.drain() == ["past", "bad"]
            broker.scheduler.sleep(70)
            keep_house(broker)
            assert received.drain(5.0) == ["later"]


def test_a_message_goes_to_each_queue_that_is_bound(connect: Connect) -> None:
    """Bindings are the broker's: a topic that one client bound routes what another publishes."""
    topics = Exchange("topics", type="topic")
    queues = [Queue("all", topics, routing_key="#"), Queue("eu", topics, routing_key="eu.*")]
    with connect() as one, connect() as other:
        for queue in queues:
            queue(one.default_channel).declare()
        producer = Producer(other.default_channel, exchange=topics)
        producer.publish("a", routing_key="eu.de")
        producer.publish("b", routing_key="us.ny")
        assert [counts(one, queue)[0] for queue in ("all", "eu")] == [2, 1]
        queues[0](one.default_channel).unbind_from(topics, routing_key="#")
        producer.publish("c", routing_key="us.ny")
        assert counts(one, "all")[0] == 2


def test_a_binding_without_an_exchange_is_gone_once_it_is_unbound(connect: Connect) -> None:
    """The channel forgets it too: an exchange that is not named is the same one in both calls."""
    with connect() as one:
        channel = one.default_channel
        channel.queue_declare("tasks")
        channel.queue_bind("tasks", routing_key="a")
        assert list(channel.state.bindings) == [("tasks", "amq.direct", "a")]
        channel.queue_unbind("tasks", routing_key="a")
        assert not channel.state.bindings


def test_a_fanout_reaches_every_process(connect: Connect) -> None:
    """Each consumer of a broadcast gets each message, wherever it was published, once."""
    with connect() as one, connect() as two, connect() as three:
        queues = [Queue(f"news-{n}", NEWS, auto_delete=True) for n in range(2)]
        with receiving(one, queues[0]) as first, receiving(two, queues[1]) as second:
            broadcast(three, "hello")
            assert first.drain() == second.drain() == ["hello"]


def test_a_mailbox_lives_as_long_as_its_owner(connect: Connect, broker: World) -> None:
    """When an owner's session is over, nothing is routed to its mailbox; it is swept later."""
    with connect() as other:
        one = connect()
        Queue("mine", NEWS, exclusive=True)(one.default_channel).declare()
        broadcast(other, "hello")
        assert other.default_channel.queue_declare("mine", passive=True).message_count == 1
        one.close()
        broadcast(other, "nobody is there")
        assert other.transport.session.tree.count("mine", broker.scheduler.now_s + 9) == 1
        broker.scheduler.sleep(120)
        Queue("new", NEWS, exclusive=True)(other.default_channel).declare()
        assert "/celery/mailboxes/mine" not in broker.dump()
        assert "/celery/mailboxes/new" in broker.dump()


@pytest.mark.parametrize("allowed", [0, READ, READ | WRITE | CREATE])
def test_a_mailbox_of_any_acl_keeps_no_client_from_making_one(
    connect: Connect, broker: World, allowed: int
) -> None:
    """One without an owner that may not be read, or deleted, is left alone; others are swept."""
    with connect() as other:
        for name in ("a", "b"):
            one = connect()
            Queue(name, NEWS, exclusive=True)(one.default_channel).declare()
            one.close()
        broadcast(other, "hello")
        store = broker.client("anybody")
        store.commit([Create("/celery/mailboxes/a/m-x")], store.now() + 9)
        broker.leader.allowed["/celery/mailboxes/a"] = allowed
        broker.scheduler.sleep(120)
        Queue("new", NEWS, exclusive=True)(other.default_channel).declare()
        assert "/celery/mailboxes/a" in broker.dump()
        assert "/celery/mailboxes/b" not in broker.dump()
        assert "/celery/mailboxes/new" in broker.dump()


def test_a_message_of_a_mailbox_that_may_not_be_read_holds_up_no_other(
    connection: Connection, broker: World
) -> None:
    """It stays, and the others are delivered."""
    queue = Queue("mine", NEWS, exclusive=True)(connection.default_channel)
    queue.declare()
    for number in range(3):
        broadcast(connection, f"{number}")
    first = min(path for path in broker.dump() if path.startswith("/celery/mailboxes/mine/m-"))
    broker.leader.allowed[first] = 0
    got = [queue.get(no_ack=True) for _ in range(3)]
    assert len([message for message in got if message is not None]) == 2
    assert first in broker.dump()


def test_a_requeued_message_of_a_mailbox_comes_again(connect: Connect) -> None:
    """A mailbox, too, brings back what a consumer requeues, and says that it was delivered."""
    with connect() as one, receiving(one, Queue("mine", NEWS, exclusive=True)) as received:
        broadcast(one, 1)
        assert received.drain() == [1]
        received.messages[0].requeue()
        assert received.drain() == [1]
        assert received.messages[1].delivery_info["redelivered"] is True


def test_a_message_of_a_mailbox_that_waited_too_long_is_not_delivered(
    connect: Connect, broker: World
) -> None:
    """An event that its reader did not get to within its time to live is dropped, as in AMQP."""
    with connect() as one, receiving(one, Queue("mine", NEWS, exclusive=True)) as received:
        broadcast(one, "old", expiration=2)
        broker.scheduler.sleep(5)
        broadcast(one, "new", expiration=2)
        assert received.drain() == ["new"]


def test_a_message_that_waited_too_long_takes_no_credit(connect: Connect, broker: World) -> None:
    """What is dropped is not waited for: the prefetch count is free for what comes next."""
    mine = Queue("mine", NEWS, exclusive=True)
    with connect() as one, receiving(one, TASKS, mine, prefetch_count=1) as received:
        broadcast(one, "old", expiration=2)
        broker.scheduler.sleep(5)
        assert received.drain() == []
        for n in range(2):
            publish(one, n)
            assert received.drain() == [n]
            received.messages[-1].ack()


def test_remote_control_works_between_connections(connect: Connect, broker: World) -> None:
    """Celery's broadcast of a command reaches a node, and its reply comes back."""
    with connect() as node_connection, connect() as other:
        box = Mailbox("celery", type="fanout", accept=["json"])
        node = box(node_connection).Node("worker@a", state={}, channel=node_connection.channel())
        node.handlers["add"] = lambda _, a, b: a + b
        with node.listen(callback=node.handle_message):

            def serve() -> None:
                node_connection.drain_events(timeout=60)

            broker.scheduler.spawn("node", serve)
            replies = box(other).call(["worker@a"], "add", {"a": 1, "b": 2}, timeout=5)
            assert replies == [{"worker@a": 3}]


def test_a_transient_message_to_nobody_is_dropped(connect: Connect, broker: World) -> None:
    """A reply to a client that has gone makes no queue; a persistent message does."""
    with connect() as one:
        producer = Producer(one.default_channel)
        producer.publish("x", routing_key="gone", delivery_mode=1)
        assert "/celery/queues/gone" not in broker.dump()
        producer.publish("x", routing_key="made", delivery_mode=2)
        assert counts(one, "made") == (1, 0, 0)


def test_a_lost_session_is_a_lost_connection(connect: Connect, broker: World) -> None:
    """Who drains learns of it; the message goes to another consumer, and the ack is refused."""
    one, other = connect(), connect()
    publish(other, 1)
    received = Received(one)
    received.consume()
    assert received.drain() == [1]
    expire(one)
    with pytest.raises(one.connection_errors) as lost:
        received.drain(60.0)
    assert isinstance(lost.value, SessionLostError)
    with pytest.raises(SessionLostError):
        one.transport.heartbeat_check(one.transport)
    assert not one.connected
    keep_house(broker)
    with receiving(other) as again:
        assert again.drain(5.0) == [1]
        assert again.messages[0].delivery_info["redelivered"] is True
    one.close()
    with pytest.raises(one.connection_errors):
        received.messages[0].ack()
    other.close()


def test_whoever_consumes_is_told_before_kombu_opens_another_session(connect: Connect) -> None:
    """Celery's heartbeat asks first when a worker wakes up; opened in silence, it consumes no more.

    kombu asks whether it is connected, and opens a session if not, before it asks for a heartbeat.
    """
    with connect() as one:
        publish(one, 1)
        received = Received(one)
        received.consume()
        assert received.drain() == [1]
        expire(one)
        one.transport.session.store.sleep(60.0)
        with pytest.raises(SessionLostError):
            one.heartbeat_check()
        assert not one.connected


def test_a_connection_is_opened_again_after_its_session_was_lost(connect: Connect) -> None:
    """The reconnect of kombu gives a new session, on which everything works."""
    with connect() as one:
        publish(one, 1)
        expire(one)
        with pytest.raises(SessionLostError):
            one.drain_events(timeout=60)
        one.ensure_connection(max_retries=3)
        publish(one, 2)
        with receiving(one) as received:
            assert received.drain(5.0) == [1, 2]


def test_an_event_loop_gets_what_comes(connect: Connect) -> None:
    """A loop that watches the transport delivers every message, and is left at the end."""
    with connect() as one:
        readers: dict[Any, Any] = {}

        class Loop:
            def add_reader(self, fd: Any, call: Any, *args: Any) -> None:
                readers[fd] = lambda: call(*args)

            def remove_reader(self, fd: Any) -> None:
                del readers[fd]

        one.register_with_event_loop(Loop())
        publish(one, *range(5))
        with receiving(one) as received:
            one.transport.session.store.sleep(1.0)
            for read in tuple(readers.values()):
                read()
            assert received.bodies == [0, 1, 2, 3, 4]
    assert readers == {}


def test_an_answer_to_an_unknown_tag_is_refused(connect: Connect) -> None:
    """A second acknowledgement of one delivery tag raises, as in AMQP, and changes nothing."""
    with connect() as one:
        publish(one, 1)
        channel = one.default_channel
        message = channel.basic_get("tasks")
        channel.basic_ack(message.delivery_tag)
        with pytest.raises(SessionLostError, match="is not held by this channel"):
            channel.basic_ack(message.delivery_tag)


def test_several_are_acknowledged_at_once(connect: Connect) -> None:
    """With `multiple`, an acknowledgement covers all that were delivered before it."""
    with connect() as one:
        publish(one, 1, 2, 3)
        with receiving(one) as received:
            received.drain()
            received.channel.basic_ack(received.messages[1].delivery_tag, multiple=True)
            received.channel.flush()
            assert counts(one) == (0, 1, 0)


def test_names_of_any_kind_are_queues(connect: Connect) -> None:
    """A queue and an exchange may have any name that AMQP allows."""
    odd = Queue("a/b, c.%", Exchange("x/y", type="direct"), routing_key="k,/ö")
    with connect() as one:
        odd(one.default_channel).declare()
        Producer(one.default_channel, exchange=odd.exchange).publish(1, routing_key="k,/ö")
        with receiving(one, odd) as received:
            assert received.drain() == [1]


def test_an_item_of_another_program_does_not_stop_the_consumer(connect: Connect) -> None:
    """An item that is no message of kombu is set aside, and those behind it are delivered."""
    with connect() as one:
        publish(one, 1)
        queue = one.transport.session.queue("tasks")
        for data in (b"not json", b"[]", b'{"properties": {}}'):
            queue.put(data, priority=0)
        with receiving(one) as received:
            assert received.drain() == [1]
            received.channel.flush()
            assert counts(one) == (0, 1, 3)
            queue.put(b"not json", priority=0)
            publish(one, 2)
            received.cancel()
        assert one.default_channel.basic_get("tasks").decode() in {1, 2}


@pytest.mark.parametrize("is_waiting", [True, False])
def test_what_cannot_go_back_at_a_full_quota_goes_when_there_is_room(
    connect: Connect, broker: World, *, is_waiting: bool
) -> None:
    """A message that was requeued comes again, and one that was rejected is a dead letter."""
    with connect() as producer, connect() as consumer:
        publish(producer, 1, 2)
        with receiving(consumer, prefetch_count=3 if is_waiting else 2) as received:
            assert received.drain() == [1, 2]
            first, second = received.messages
            broker.leader.quotas["/celery"] = Quota(count=1)
            first.requeue()
            second.reject()
            received.channel.flush()
            broker.scheduler.sleep(5.0)
            assert counts(producer) == (0, 2, 0)
            broker.leader.quotas.clear()
            assert received.drain(5.0) == [1]
            assert counts(producer) == (0, 1, 1)
