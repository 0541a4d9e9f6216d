"""Arbitrary groups of nodes that do not hear each other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.faults import faults, grudges
from harness.faults.cutting import Cut
from harness.registry import Groups
from harness.target import Drops, Target


@faults.register("partition")
@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Cut):
    """Cut groups of nodes from each other; a node in no group hears everybody.

    A group holds `leader`, names of `bind` and numbers of nodes.
    """

    groups: Groups

    @property
    def target(self) -> Target:
        """Return all members of all groups, one node each."""
        return [m if isinstance(m, str) else {"node": m} for group in self.groups for m in group]

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Share `nodes` out over the groups again, in order."""
        members = iter(nodes)
        return grudges.split([list(islice(members, len(group))) for group in self.groups])
