"""What has happened so far in a run, for triggers and for people; any thread may use it."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.common.server_states import NodeStatus


@dataclass(slots=True)
class Progress:
    """Counts of operations by kind, the servers' last known states, and faults in force.

    Attributes:
        elections: how many the monitor has seen.
        phase: what the run is doing, in words.
        limit_s: the run's time at which the phase is given up; None without a limit.
        phase_due_s, run_due_s: when the phase and the run should end if nothing stalls, on the
            run's clock; None if that is not known.
    """

    statuses: Sequence[NodeStatus] = ()
    elections: int = 0
    in_force: dict[int, str] = field(default_factory=dict)
    phase: str = ""
    limit_s: float | None = None
    phase_due_s: float | None = None
    run_due_s: float | None = None
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(
        self,
        phase: str,
        *,
        limit_s: float | None = None,
        phase_due_s: float | None = None,
        run_due_s: float | None = None,
    ) -> None:
        """Note what the run is doing from now on, and until when."""
        self.phase, self.limit_s = phase, limit_s
        self.phase_due_s, self.run_due_s = phase_due_s, run_due_s

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
