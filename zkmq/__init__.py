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
    from zkmq.operating.changes import Changed
    from zkmq.operating.inspection import Peeked, QueueStats
    from zkmq.operating.overview import Overview
    from zkmq.putting.batches import Put
    from zkmq.putting.entry import Entry
    from zkmq.queue import Queue
    from zkmq.taking.finish import Done
    from zkmq.taking.reserve import Reservation
    from zkmq.tree.compatibility.charter import Charter
    from zkmq.tree.item import Hold, Item
    from zkmq.working.job import Job, Outcome
    from zkmq.working.work_settings import WorkSettings
    from zkmq.working.working import Worked
    from zkmq.zookeeper.security import Security

__all__ = [
    "AccessDeniedError",
    "AckUnknownError",
    "BadArgumentError",
    "BadPriorityError",
    "Changed",
    "Charter",
    "ClientsTooOldError",
    "ClosedError",
    "ConsumerLostError",
    "Done",
    "Entry",
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
    "Overview",
    "PartlyPutError",
    "Peeked",
    "Put",
    "Queue",
    "QueueFullError",
    "QueueStats",
    "Reservation",
    "Returned",
    "Security",
    "ServerRefusedError",
    "Settled",
    "ValueTooLargeError",
    "WorkSettings",
    "Worked",
    "WorkerStuckError",
    "ZkmqError",
    "__version__",
]

# Where each name is; the others are errors. A name is imported when it is first asked for, so that
# a program that only might use the queue, such as `zkmq --help`, does not wait for kazoo.
_HOME = dict.fromkeys(__all__, "zkmq.errors") | {
    "Changed": "zkmq.operating.changes",
    "Charter": "zkmq.tree.compatibility.charter",
    "Done": "zkmq.taking.finish",
    "Entry": "zkmq.putting.entry",
    "Hold": "zkmq.tree.item",
    "Item": "zkmq.tree.item",
    "Job": "zkmq.working.job",
    "Outcome": "zkmq.working.job",
    "Overview": "zkmq.operating.overview",
    "Peeked": "zkmq.operating.inspection",
    "Put": "zkmq.putting.batches",
    "Queue": "zkmq.queue",
    "QueueStats": "zkmq.operating.inspection",
    "Reservation": "zkmq.taking.reserve",
    "Returned": "zkmq.janitor.claim_returner",
    "Security": "zkmq.zookeeper.security",
    "Settled": "zkmq.doubt",
    "WorkSettings": "zkmq.working.work_settings",
    "Worked": "zkmq.working.working",
}


def __getattr__(name: str) -> Any:
    """Import a public name, and keep it, so that this is called once for each."""
    if name not in _HOME:
        raise AttributeError(f"module 'zkmq' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
