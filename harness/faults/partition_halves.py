"""The quorum in two halves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("partition-halves")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionHalves(Cut):
    """Cut the quorum in two halves drawn at random; of an odd number the bigger one goes on."""

    target: Target = "half"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Cut the nodes, one half, from the rest."""
        return grudges.split([nodes, [id for id in everyone if id not in nodes]])
