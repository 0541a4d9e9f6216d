"""A ring in which everybody sees a majority and nobody the same one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("partition-ring")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRing(Cut):
    """Let each node hear only its neighbours in a random ring: a majority, no two the same."""

    target: Target = "all"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Join the nodes to a ring in their order."""
        return grudges.ring(nodes)
