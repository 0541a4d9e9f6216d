"""A kombu channel: declares, binds, publishes and consumes, as kombu's virtual channels do."""

import logging
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.utils.json import loads

from zkmq.celery.broker_session import BrokerSession
from zkmq.celery.broker_tree import Binding, Letter
from zkmq.celery.credits import Credits
from zkmq.celery.deliveries import Delivery, End, Intake
from zkmq.celery.messages import entry_of, shortest_s
from zkmq.celery.publishing import Publication
from zkmq.celery.unacknowledged import Unacknowledged
from zkmq.errors import ClosedError
from zkmq.putting.entry import Entry

PUBLICATION = "zkmq-publication"
TRANSIENT = 1

Callback = Callable[[Any], Any]

log = logging.getLogger("zkmq.celery")


class BrokerChannel(virtual.Channel):  # type: ignore[misc]
    """One channel of a connection: its consumers, their prefetch count, and what they hold.

    A queue that is `auto_delete` or `exclusive` is a mailbox: it lives as long as the sessions that
    declare it or consume from it, and a message is removed when it is taken. Any other queue is one
    of zkmq's.
    """

    QoS = Unacknowledged
    supports_fanout = True
    do_restore = False
    closed: bool

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.credits = Credits()
        self._intakes: dict[str, Intake] = {}
        self._callbacks: dict[str, dict[str, tuple[bool, Callback]]] = {}
        self._ttl_s: dict[str, float] = {}
        self._tags = count(1)
        # kombu lets a message of these be acknowledged, which does nothing.
        self.no_ack_consumers: set[str] = set()

    # Queues and bindings

    def prepare_queue_arguments(self, arguments: Any, **kwargs: Any) -> Any:
        """Turn kombu's options of a queue into AMQP's arguments."""
        return to_rabbitmq_queue_arguments(arguments or {}, **kwargs)

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,  # noqa: FBT001, FBT002 - kombu's signature
        **kwargs: Any,
    ) -> Any:
        """Make a queue if there is none, and tell its size.

        Raises:
            ChannelError: `passive`, and there is none.
        """
        if not passive or not queue or not self._has_queue(queue):
            return super().queue_declare(queue, passive, **kwargs)
        return queue_declare_ok_t(queue, self._size(queue), 0)

    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        """Bind a queue to an exchange, for all clients."""
        session, binding = self._session, Binding(routing_key or "", queue)
        exchange, owned = exchange or "amq.direct", session.is_mailbox(queue)
        session.tree.bind(exchange, binding, session.deadline(), owned=owned)
        self.state.binding_declare(queue, exchange, routing_key, arguments)

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        """Remove a binding, for all clients."""
        session, binding = self._session, Binding(routing_key or "", queue)
        exchange = exchange or "amq.direct"
        session.tree.unbind(exchange, binding, session.deadline())
        self.state.binding_delete(queue, exchange, routing_key)

    def get_table(self, exchange: str) -> list[tuple[str, Any, str]]:
        """The bindings of an exchange, as all clients made them."""
        session, kind = self._session, self.typeof(exchange)
        return [
            kind.prepare_bind(queue, exchange, key, None)
            for key, queue in session.tree.bindings(exchange, session.deadline())
        ]

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,  # noqa: FBT001, FBT002 - kombu's signature
        if_empty: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> None:
        """Delete a queue with all its messages and bindings."""
        if if_empty and self._size(queue):
            return
        self._leave(queue)
        self._session.delete(queue)
        self.state.queue_bindings_delete(queue)

    def _new_queue(
        self,
        queue: str,
        auto_delete: bool = False,  # noqa: FBT001, FBT002 - kombu's signature
        exclusive: bool = False,  # noqa: FBT001, FBT002
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        ttl_ms = (arguments or {}).get("x-message-ttl")
        if ttl_ms is not None:
            self._ttl_s[queue] = float(ttl_ms) / 1000
        if auto_delete or exclusive or self._session.is_mailbox(queue):
            self._session.own_mailbox(queue)
        else:
            self._session.queue(queue)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return self._session.is_mailbox(queue) or self._session.is_queue(queue)

    def _size(self, queue: str) -> int:
        session = self._session
        if session.is_mailbox(queue):
            return session.tree.count(queue, session.deadline())
        return sum(session.queue(queue).stats().waiting.values())

    def _purge(self, queue: str) -> int:
        session, size = self._session, self._size(queue)
        if session.is_mailbox(queue):
            letters = session.tree.read(queue, session.deadline())
            return len(session.tree.take(queue, letters, session.deadline()))
        session.queue(queue).purge()
        return size

    # Publishing

    def prepare_message(  # noqa: PLR0917 - kombu's signature
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a message; the properties keep its `Publication` when kombu publishes again."""
        kept = {} if properties is None else properties
        kept.setdefault(PUBLICATION, Publication())
        message: dict[str, Any] = super().prepare_message(
            body, priority, content_type, content_encoding, headers, kept
        )
        return message

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        """Publish a message to the queues that are bound for it; returns once it is in them.

        Raises:
            OutcomeUnknownError: no answer before the deadline; kombu may publish again.
            NoQuorumError: no server answers.
            UnsettledPublishError: its outcome will never be known.
            BadArgumentError: the queue does not accept it, such as one of more than 1 MB.
        """
        self._inplace_augment_message(message, exchange, routing_key)
        properties = message["properties"]
        publication: Publication = properties.get(PUBLICATION) or Publication()
        if publication.queues is None:
            names = self._lookup(exchange, routing_key) if exchange else [routing_key]
            self._route(publication, names, properties)
        own = {k: v for k, v in properties.items() if k != PUBLICATION}

        def entry_for(queue: str) -> Entry:
            return entry_of(
                {**message, "properties": own},
                priority=self._get_message_priority(message, reverse=True),
                ttl_s=self._ttl_s.get(queue),
                eta_in_queue=self._session.options.eta_in_queue,
            )

        self._session.publisher.publish(publication, entry_for)

    def _route(
        self, publication: Publication, names: Iterable[str], properties: dict[str, Any]
    ) -> None:
        """Sort the queues; a transient message to a queue that is gone goes nowhere, as in AMQP."""
        queues, mailboxes = [], []
        for name in sorted(names):
            if self._session.is_mailbox(name):
                mailboxes.append(name)
            elif properties.get("delivery_mode") != TRANSIENT or self._session.is_queue(name):
                queues.append(name)
        publication.route(queues, mailboxes)

    # Consuming

    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        apply_global: bool = False,  # noqa: FBT001, FBT002 - kombu's signature
    ) -> None:
        """Set how many messages this channel's consumers may have together; 0 is no limit."""
        self.qos.prefetch_count = self.credits.limit = prefetch_count

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001 - kombu's signature
        callback: Callback,
        consumer_tag: str,
        **kwargs: Any,
    ) -> None:
        """Begin to deliver the messages of a queue to a consumer."""
        self._tag_to_queue[consumer_tag] = queue
        self._consumers.add(consumer_tag)
        self._callbacks.setdefault(queue, {})[consumer_tag] = (bool(no_ack), callback)
        if no_ack:
            self.no_ack_consumers.add(consumer_tag)
        self._intake(queue).consume(on=True)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop the deliveries to a consumer. What it has not acknowledged, it still holds."""
        if consumer_tag not in self._consumers:
            return
        self._consumers.discard(consumer_tag)
        queue = self._tag_to_queue.pop(consumer_tag)
        self._callbacks[queue].pop(consumer_tag)
        if not self._callbacks[queue] and queue in self._intakes:
            self._intakes[queue].consume(on=False)

    @property
    def has_consumers(self) -> bool:
        """Whether somebody consumes by it."""
        return bool(self._consumers)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        """Take one message without waiting; None if there is none."""
        while (delivery := self._intake(queue).get()) is not None:
            message = self._message(delivery, no_ack=no_ack)
            if no_ack or message is None:
                self.credits.acknowledge()
            if message is not None:
                return message
        return None

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Acknowledge a message; the servers get that with the next write of its queue."""
        self.qos.ack(delivery_tag, multiple=multiple)

    def flush(self) -> None:
        """Wait until the servers have the acknowledgements, for five seconds at most."""
        for intake in list(self._intakes.values()):
            intake.flush()

    def stop_taking(self) -> None:
        """Take nothing more, since nobody will drain this channel; from any thread."""
        for intake in list(self._intakes.values()):
            intake.consume(on=False)

    def deliver(self, delivery: Delivery) -> bool:
        """Give a message to a consumer of its queue; False if it went back, or is too old."""
        callbacks = self._callbacks.get(delivery.intake.name)
        if self.closed or not callbacks:
            self.credits.drop()
            delivery.intake.end(delivery, End.BACK)
            return False
        tag, (no_ack, callback) = next(iter(callbacks.items()))
        if len(callbacks) > 1:  # the next message is for the next consumer
            callbacks[tag] = callbacks.pop(tag)
        message = self._message(delivery, no_ack=no_ack, consumer_tag=tag)
        if message is not None and self._is_stale(delivery, message):
            self.qos.forget(message.delivery_tag)
            message = None
        self.credits.deliver(acknowledged=no_ack or message is None)
        if message is None:
            return False
        callback(message)
        return True

    def close(self) -> None:
        """Cancel the consumers, acknowledge what was acknowledged, and give back the rest."""
        if self.closed:
            return
        self.closed = True
        for consumer in list(self._consumers):
            self.basic_cancel(consumer)
        for queue in list(self._intakes):
            self._leave(queue)
        self.qos.restore_unacked_once()
        if self.connection is not None:
            self.connection.close_channel(self)
        self.exchange_types = None

    @property
    def _session(self) -> BrokerSession:
        """The connection's session.

        Raises:
            ClosedError: the channel, or its connection, is closed.
        """
        if self.connection is None:
            raise ClosedError("the channel is closed; open a new one")
        session: BrokerSession = self.connection.session
        return session

    def _message(self, delivery: Delivery, *, no_ack: bool, consumer_tag: str = "") -> Any:
        """Make kombu's message; None for an item of another program, which is set aside."""
        tag = f"{self.channel_id}-{next(self._tags)}"
        about = {"redelivered": delivery.redelivered, "consumer_tag": consumer_tag}
        try:
            raw = loads(delivery.data)
            raw["properties"]["delivery_tag"] = tag
            raw["properties"]["delivery_info"] |= about
            message = self.Message(raw, channel=self)
        except (ValueError, TypeError, KeyError):
            log.exception("%s: an item that is no message of kombu", delivery.intake.name)
            delivery.intake.end(delivery, End.DEAD)
            return None
        if no_ack:
            delivery.intake.end(delivery, End.DONE)
        else:
            self.qos.add(tag, delivery)
        return message

    def _is_stale(self, delivery: Delivery, message: Any) -> bool:
        """Whether a message of a mailbox waited for longer in this process than it lives."""
        if not isinstance(delivery.handle, Letter):
            return False
        ttl_s = shortest_s(message.properties, self._ttl_s.get(delivery.intake.name))
        return ttl_s is not None and self._session.store.now() - delivery.came_s > ttl_s

    def _intake(self, queue: str) -> Intake:
        if queue not in self._intakes:
            transport = self.connection
            self._intakes[queue] = self._session.open_intake(
                queue, self.credits, lambda it: transport.arrived(self, it), transport.fail
            )
        return self._intakes[queue]

    def _leave(self, queue: str) -> None:
        intake = self._intakes.pop(queue, None)
        if intake is not None:
            intake.close()
