"""Two halves with one node between them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("partition-bridge")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBridge(Cut):
    """Cut the quorum in two halves that only the target node hears and is heard by."""

    target: Target = "follower"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Make the first node the bridge."""
        return grudges.bridge(nodes[0], everyone)
