"""A message queue on ZooKeeper."""

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
    PartlyPutError,
    QueueFullError,
    ValueTooLargeError,
    ZkmqError,
)
from zkmq.finish import Done
from zkmq.item import Hold, Item
from zkmq.producer import Put
from zkmq.queue import Queue
from zkmq.reaper import Returned
from zkmq.reserve import Reservation
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
    "PartlyPutError",
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
