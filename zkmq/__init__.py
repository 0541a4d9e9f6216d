"""A message queue on ZooKeeper."""

from zkmq.consumer import Done, Reservation
from zkmq.errors import (
    AccessDeniedError,
    AckUnknownError,
    BadArgumentError,
    BadPriorityError,
    ClosedError,
    ConsumerLostError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    QueueFullError,
    ValueTooLargeError,
    ZkmqError,
)
from zkmq.item import Hold, Item
from zkmq.janitor import Returned
from zkmq.producer import Put
from zkmq.queue import Queue
from zkmq.security import Security
from zkmq.ticket import Settled

__all__ = [
    "AccessDeniedError",
    "AckUnknownError",
    "BadArgumentError",
    "BadPriorityError",
    "ClosedError",
    "ConsumerLostError",
    "Done",
    "Hold",
    "IncompatibleTreeError",
    "Item",
    "NoQuorumError",
    "NotAppliedError",
    "NotHeldError",
    "OutcomeUnknownError",
    "Put",
    "Queue",
    "QueueFullError",
    "Reservation",
    "Returned",
    "Security",
    "Settled",
    "ValueTooLargeError",
    "ZkmqError",
]
