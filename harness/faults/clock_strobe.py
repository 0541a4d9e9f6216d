"""A server whose wall clock jumps to and fro."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clock import SLOT, near
from harness.registry import Jump, StrobePeriod
from harness.target import Evidence, System, Target


@faults.register("clock-strobe")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStrobe(Fault):
    """Let servers' wall clocks jump by `offset_s` and back once each `period_s`."""

    target: Target = "leader"
    offset_s: Jump = 3600.0
    period_s: StrobePeriod = 4.0
    slot: ClassVar[str | None] = SLOT
    needs: ClassVar[frozenset[str]] = frozenset({"faketime"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Begin, and wait until the servers themselves have told both times."""
        nodes_ = [system.quorum.nodes[id] for id in nodes]
        return {"clocks": [node.strobe_clock(self.offset_s, self.period_s) for node in nodes_]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server told the right time and the other one."""
        told = [seen["seen_s"] for seen in evidence["clocks"]]
        return all(
            any(near(s, wanted_s) for s in seen_s)
            for seen_s in told
            for wanted_s in (0.0, self.offset_s)
        )

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Stop, and set the clocks right."""
        return {"clocks": [system.quorum.nodes[id].set_clock(0) for id in nodes]}
