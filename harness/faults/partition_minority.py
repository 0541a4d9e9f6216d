"""Some nodes together against the rest."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("partition-minority")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionMinority(Cut):
    """Cut the target's nodes, who still hear each other, from all the rest."""

    target: Target = "minority"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Cut the nodes from the rest."""
        return grudges.split([nodes, [id for id in everyone if id not in nodes]])
