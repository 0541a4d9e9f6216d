"""Packets that come late, and out of order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults, shaping
from harness.registry import Milliseconds, Share
from harness.target import Evidence, Shape, System, Target


@faults.register("latency")
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Fault):
    """Delay what nodes send, with jitter and reordering; needs netem, else it is skipped."""

    target: Target = "leader"
    delay_ms: Milliseconds = 100
    jitter_ms: Milliseconds = 0
    reorder_percent: Share = 0
    slot: ClassVar[str | None] = shaping.SLOT

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Shape, and wait for the first packet that is delayed."""
        shape = Shape(
            delay_ms=self.delay_ms,
            jitter_ms=self.jitter_ms,
            reorder_percent=self.reorder_percent,
        )
        return shaping.inject(system.quorum, nodes, shape)

    def bit(self, evidence: Evidence) -> bool:
        """Require that packets were held back on every node."""
        return shaping.bit(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Take the shape off."""
        return shaping.heal(system.quorum, nodes)
