"""Packets that pass in one direction only."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.target import Drops, Target


@faults.register("one-way")
@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay(Cut):
    """Make nodes deaf to the others, who still hear them; `deaf: false` mutes them instead."""

    target: Target = "leader"
    deaf: bool = True

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Lose what the nodes should hear, or what they say."""
        return grudges.one_way(nodes, everyone, deaf=self.deaf)
