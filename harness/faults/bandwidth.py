"""A slow link: little bandwidth for all that leaves a node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults, shaping
from harness.registry import Count
from harness.target import Evidence, Shape, System, Target


@faults.register("bandwidth")
@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(Fault):
    """Let nodes send no more than `rate_kbit`, to peers and clients together."""

    target: Target = "leader"
    rate_kbit: Count = 64
    slot: ClassVar[str | None] = shaping.SLOT

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Shape, and wait for the first packet that has to wait."""
        return shaping.inject(system.quorum, nodes, Shape(rate_kbit=self.rate_kbit))

    def bit(self, evidence: Evidence) -> bool:
        """Require that packets were held back on every node."""
        return shaping.bit(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Take the shape off."""
        return shaping.heal(system.quorum, nodes)
