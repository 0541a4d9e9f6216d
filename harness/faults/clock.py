"""A server whose wall clock jumps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.registry import Jump
from harness.target import Evidence, System, Target

SLOT = "clock"
TOLERANCE_S = 1.5  # both clocks are asked one after the other, on a machine that may be busy


@faults.register("clock")
@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Fault):
    """Set servers' wall clocks forward or back by `offset_s`; healing sets them right."""

    target: Target = "leader"
    offset_s: Jump = 3600.0
    slot: ClassVar[str | None] = SLOT
    needs: ClassVar[frozenset[str]] = frozenset({"faketime"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Jump, and wait until the server itself tells the new time."""
        clocks = [system.quorum.nodes[id].set_clock(self.offset_s) for id in nodes]
        return {"wanted_s": self.offset_s, "clocks": clocks}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server's time was seen to be off by that much."""
        return all(near(seen["offset_s"], evidence["wanted_s"]) for seen in evidence["clocks"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Set the clocks right."""
        return {"clocks": [system.quorum.nodes[id].set_clock(0) for id in nodes]}


def near(seen_s: float | None, wanted_s: float) -> bool:
    """Tell whether a clock was seen that much off, as far as two looks can tell."""
    return seen_s is not None and abs(seen_s - wanted_s) <= TOLERANCE_S
