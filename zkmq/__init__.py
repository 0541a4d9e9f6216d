"""A message queue on ZooKeeper."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
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
        ItemHeldError,
        NoQuorumError,
        NotAppliedError,
        NotHeldError,
        OutcomeUnknownError,
        OutdatedClientError,
        PartlyPutError,
        QueueFullError,
        ServerRefusedError,
        ValueTooLargeError,
        WorkerStuckError,
        ZkmqError,
    )
    from zkmq.janitor.claim_returner import Returned
    from zkmq.putting.batches import Put
    from zkmq.queue import Queue
    from zkmq.taking.finish import Done
    from zkmq.taking.reserve import Reservation
    from zkmq.tree.compatibility.charter import Charter
    from zkmq.tree.item import Hold, Item
    from zkmq.working.job import Job, Outcome
    from zkmq.working.working import Worked
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
    "ItemHeldError",
    "Job",
    "NoQuorumError",
    "NotAppliedError",
    "NotHeldError",
    "Outcome",
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
    "Worked",
    "WorkerStuckError",
    "ZkmqError",
    "__version__",
]

# Where each name is. A name is imported when it is first asked for, so that a program that only
# might use the queue, such as `zkmq --help`, does not wait for kazoo.
_MODULES = {
    "zkmq.doubt": ("Settled",),
    "zkmq.errors": (
        "AccessDeniedError",
        "AckUnknownError",
        "BadArgumentError",
        "BadPriorityError",
        "ClientsTooOldError",
        "ClosedError",
        "ConsumerLostError",
        "IncompatibleTreeError",
        "ItemHeldError",
        "NoQuorumError",
        "NotAppliedError",
        "NotHeldError",
        "OutcomeUnknownError",
        "OutdatedClientError",
        "PartlyPutError",
        "QueueFullError",
        "ServerRefusedError",
        "ValueTooLargeError",
        "WorkerStuckError",
        "ZkmqError",
    ),
    "zkmq.janitor.claim_returner": ("Returned",),
    "zkmq.putting.batches": ("Put",),
    "zkmq.queue": ("Queue",),
    "zkmq.taking.finish": ("Done",),
    "zkmq.taking.reserve": ("Reservation",),
    "zkmq.tree.compatibility.charter": ("Charter",),
    "zkmq.tree.item": ("Hold", "Item"),
    "zkmq.working.job": ("Job", "Outcome"),
    "zkmq.working.working": ("Worked",),
    "zkmq.zookeeper.security": ("Security",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name, and keep it, so that this is called once for each."""
    if name not in _HOME:
        raise AttributeError(f"module 'zkmq' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
