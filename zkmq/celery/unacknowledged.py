"""The messages of a channel that are delivered and not acknowledged."""

from typing import Any

from kombu.transport import virtual

from zkmq.celery.broker_errors import SessionLostError
from zkmq.celery.deliveries import Delivery, End


class Unacknowledged(virtual.QoS):  # type: ignore[misc]
    """What kombu calls a channel's quality of service: delivery tags, and what they stand for."""

    restore_at_shutdown = False

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._deliveries: dict[str, Delivery] = {}

    def add(self, tag: str, delivery: Delivery) -> None:
        """Note a message that was delivered and has to be acknowledged."""
        self._deliveries[tag] = delivery

    def forget(self, tag: str) -> None:
        """Forget a message that will not be delivered after all."""
        self._deliveries.pop(tag, None)

    def can_consume(self) -> bool:
        """Whether the prefetch count lets one more message be delivered."""
        return not self.prefetch_count or len(self._deliveries) < self.prefetch_count

    def can_consume_max_estimate(self) -> int | None:
        """How many more messages may be delivered; None without a prefetch count."""
        return max(self.prefetch_count - len(self._deliveries), 0) if self.prefetch_count else None

    def append(self, message: Any, delivery_tag: str) -> None:
        """Do nothing: `add` has noted the message."""

    def get(self, delivery_tag: str) -> Delivery:
        """Return the message of a tag."""
        return self._deliveries[delivery_tag]

    def ack(self, delivery_tag: str, *, multiple: bool = False) -> None:
        """Acknowledge a message; with `multiple`, all that were delivered before it too.

        Raises:
            SessionLostError: the channel does not hold it any more.
        """
        tags = list(self._deliveries) if multiple else [delivery_tag]
        for tag in tags[: tags.index(delivery_tag) + 1 if delivery_tag in tags else 0]:
            self._end(tag, End.DONE)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Bring a message back to its place, or put it aside as a dead letter."""
        self._end(delivery_tag, End.BACK if requeue else End.DEAD)

    def restore_unacked(self) -> list[Any]:
        """Bring all messages back to their places."""
        for tag in list(self._deliveries):
            self._end(tag, End.BACK)
        return []

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Forget the messages: a channel that closes gives them back."""
        self._deliveries.clear()

    def _end(self, tag: str, how: End) -> None:
        delivery = self._deliveries.pop(tag, None)
        if delivery is None or delivery.is_lost:
            raise SessionLostError(
                f"{how.value}: message {tag} is not held by this channel: it was ended before, or "
                "the channel was closed and the message goes to another consumer"
            )
        self.channel.credits.acknowledge()
        delivery.intake.end(delivery, how)
