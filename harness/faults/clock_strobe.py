"""A server whose wall clock jumps to and fro."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clock import SLOT
from harness.registry import Seconds
from harness.target import Evidence, System, Target


@faults.register("clock-strobe")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStrobe(Fault):
    """Let servers' wall clocks jump by `offset_s` and back once each `period_s`."""

    target: Target = "leader"
    offset_s: float = 3600.0
    period_s: Seconds = 4.0
    slot: ClassVar[str | None] = SLOT
    needs: ClassVar[frozenset[str]] = frozenset({"faketime"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Begin, and see both times in the servers' own containers."""
        nodes_ = [system.quorum.nodes[id] for id in nodes]
        return {"clocks": [node.strobe_clock(self.offset_s, self.period_s) for node in nodes_]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server was seen at two times."""
        return all(len(seen["seen_s"]) > 1 for seen in evidence["clocks"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Stop, and set the clocks right."""
        return {"clocks": [system.quorum.nodes[id].set_clock(0) for id in nodes]}
