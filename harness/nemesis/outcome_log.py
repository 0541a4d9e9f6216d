"""What became of each injection and each heal, in the history and on the terminal."""

from collections.abc import Callable
from typing import Any, Literal

from harness.common.harness_errors import TargetError
from harness.common.run_clock import Clock
from harness.history.record import Event, HistoryWriter
from harness.nemesis.injection import Injection
from harness.target import Evidence

Outcome = Literal["installed", "skipped", "indeterminate"]


class OutcomeLog:
    """Records outcomes, and says them to the user with `say`."""

    def __init__(self, history: HistoryWriter, clock: Clock, say: Callable[[str], None]) -> None:
        self._history, self._clock, self._say = history, clock, say

    def injected(
        self, injection: Injection, evidence: Evidence, *, bit: bool, time_ns: int
    ) -> None:
        """Record a fault that began at `time_ns`, and whether its evidence shows that it bit."""
        outcome: Outcome = "installed" if bit else "indeterminate"
        self._record(injection, "inject", outcome, evidence, time_ns=time_ns)
        self._say(f"{injection.what}: {outcome}")

    def awaited(self, injection: Injection) -> None:
        """Say that a patient fault is in force and has had no effect yet; records nothing."""
        self._say(f"{injection.what}: in force, waits for a thread")

    def not_injected(
        self,
        injection: Injection,
        outcome: Literal["skipped", "indeterminate"],
        evidence: Evidence,
    ) -> None:
        """Record a fault that was skipped, or of which it is not known whether it began."""
        self._record(injection, "inject", outcome, evidence)
        if not injection.what:
            injection.describe({})
        self._say(f"{injection.what}: {outcome}: {evidence.get('why', evidence)}")

    def healed(self, injection: Injection, evidence: Evidence) -> None:
        """Record the end of a fault."""
        self._record(injection, "heal", "installed", evidence)
        self._say(f"heal {injection.what}")

    def not_healed(self, injection: Injection, error: TargetError) -> None:
        """Record a heal that failed, so that the fault may still be in force."""
        self._record(injection, "heal", "indeterminate", {"error": str(error)})

    def _record(
        self,
        injection: Injection,
        phase: str,
        outcome: Outcome,
        evidence: Evidence,
        *,
        time_ns: int | None = None,
    ) -> None:
        value: dict[str, Any] = {
            "id": injection.planned.id,
            "name": injection.planned.name,
            "phase": phase,
            "target": getattr(injection.entry.fault, "target", None),
            "nodes": injection.nodes,
            "outcome": outcome,
            "evidence": evidence,
        }
        at_ns = self._clock.now_ns() if time_ns is None else time_ns
        self._history.append(Event.note(at_ns, injection.planned.kind, value, process="nemesis"))
