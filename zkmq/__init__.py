"""A message queue on ZooKeeper."""

from zkmq.batches import Put
from zkmq.charter import Charter
from zkmq.doubt import Settled
from zkmq.errors import (
    AccessDeniedError,
    AckUnknownError,
    BadArgumentError,
    BadPriorityError,
    ClientsTooOldError,
    ClosedError,
    ConsumerLostError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    NotHeldError,
    OutcomeUnknownError,
    OutdatedClientError,
    PartlyPutError,
    QueueFullError,
    ServerRefusedError,
    ValueTooLargeError,
    ZkmqError,
)
from zkmq.finish import Done
from zkmq.item import Hold, Item
from zkmq.queue import Queue
from zkmq.reaper import Returned
from zkmq.reserve import Reservation
from zkmq.security import Security

__all__ = [
    "AccessDeniedError",
    "AckUnknownError",
    "BadArgumentError",
    "BadPriorityError",
    "Charter",
    "ClientsTooOldError",
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
    "OutdatedClientError",
    "PartlyPutError",
    "Put",
    "Queue",
    "QueueFullError",
    "Reservation",
    "Returned",
    "Security",
    "ServerRefusedError",
    "Settled",
    "ValueTooLargeError",
    "ZkmqError",
]
