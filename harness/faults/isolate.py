"""Single nodes alone, each from all the others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("isolate")
@dataclass(frozen=True, slots=True, kw_only=True)
class Isolate(Cut):
    """Cut each of the target's nodes from every other node; clients still reach it."""

    target: Target = "leader"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Leave each of the nodes alone."""
        return grudges.isolate(nodes, everyone)
