"""What has happened so far, for triggers and for people; written by many threads, read by all."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.target import NodeStatus


@dataclass(slots=True)
class Progress:
    """Counts of operations by kind, the servers' last known states, and faults in force.

    Attributes:
        elections: how often another node than before was seen to lead.
    """

    statuses: Sequence[NodeStatus] = ()
    elections: int = 0
    in_force: dict[int, str] = field(default_factory=dict)
    phase: str = ""
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, counts: dict[str, int]) -> None:
        """Add what a worker reports: `invoked`, `acknowledged`, `delivered`, `completed`, ..."""
        with self._lock:
            self._counts.update(counts)

    def count(self, what: str) -> int:
        """Return how many there were since the run's start."""
        with self._lock:
            return self._counts[what]

    def counts(self) -> dict[str, int]:
        """Return a copy of all counts."""
        with self._lock:
            return dict(self._counts)
