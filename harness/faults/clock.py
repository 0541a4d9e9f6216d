"""A server whose wall clock jumps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.target import Evidence, System, Target

SLOT = "clock"
TOLERANCE_S = 1.5  # dates are whole seconds, and asked for one after the other


@faults.register("clock")
@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Fault):
    """Set servers' wall clocks forward or back by `offset_s`; healing sets them right."""

    target: Target = "leader"
    offset_s: float = 3600.0
    slot: ClassVar[str | None] = SLOT
    needs: ClassVar[frozenset[str]] = frozenset({"faketime"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Jump, and see the time in the server's own container."""
        clocks = [system.quorum.nodes[id].set_clock(self.offset_s) for id in nodes]
        return {"wanted_s": self.offset_s, "clocks": clocks}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server's time was seen to be off by that much."""
        wanted_s, seen_s = evidence["wanted_s"], [seen["offset_s"] for seen in evidence["clocks"]]
        return all(s is not None and abs(s - wanted_s) <= TOLERANCE_S for s in seen_s)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Set the clocks right."""
        return {"clocks": [system.quorum.nodes[id].set_clock(0) for id in nodes]}
