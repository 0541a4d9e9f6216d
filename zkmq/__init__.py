"""A message queue on ZooKeeper."""

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
from zkmq.janitor.claim_returner import Returned
from zkmq.putting.batches import Put
from zkmq.queue import Queue
from zkmq.taking.finish import Done
from zkmq.taking.reserve import Reservation
from zkmq.tree.charter import Charter
from zkmq.tree.item import Hold, Item
from zkmq.zookeeper.security import Security

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
