"""Partitions: which nodes do not hear which others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

from harness.common.settings.setting_types import Groups
from harness.faults import Aim, description, faults
from harness.faults.description import Modes
from harness.faults.packets import grudges
from harness.faults.packets.drop_rules import Dropping
from harness.target import Target
from harness.target.disturbances import Drops


class Cut(Dropping, Protocol):
    """A partition: a subclass says which node loses which packets, and inherits the rest."""

    slot: ClassVar[str] = "cut"

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the sides of the cut, then who hears both, then who led."""
        if not nodes:
            return description.target(self.target)
        everyone = sorted(int(id) for id in modes if id.isdecimal())
        parts = grudges.sides(self.drops(nodes, everyone or nodes))
        if not parts:
            return description.nodes(nodes, modes)
        between = [id for id in everyone if not any(id in part for part in parts)]
        joined = f", joined by {', '.join(map(str, between))}" if between else ""
        return description.sides(parts) + joined + description.leader(everyone, modes)


@faults.register("partition")
@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Cut):
    """Cut groups of nodes from each other; a node in no group hears everybody.

    A group holds `leader`, names of `bind` and numbers of nodes.
    """

    groups: Groups
    """Lists of `leader`, names of `bind` and numbers; no group hears another."""

    @property
    def target(self) -> Target:
        """Return all members of all groups, one node each."""
        return [m if isinstance(m, str) else {"node": m} for group in self.groups for m in group]

    @property
    def details(self) -> str:
        """Return nothing, since `whom` names the groups."""
        return ""

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the sides of the cut; before the cut, the groups as the scenario has them."""
        return Cut.whom(self, nodes, modes) if nodes else description.sides(self.groups)

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Divide `nodes` among the groups again, in order."""
        members = iter(nodes)
        return grudges.split([list(islice(members, len(group))) for group in self.groups])


@faults.register("partition-halves")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionHalves(Cut):
    """Cut the quorum into two random halves; with an odd number, the larger one is a majority."""

    target: Aim = "half"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Cut the nodes, one half, from the rest."""
        return grudges.together(nodes, everyone)


@faults.register("partition-minority")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionMinority(Cut):
    """Cut the target's nodes from all others; they still hear each other."""

    target: Aim = "minority"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Cut the nodes from the rest."""
        return grudges.together(nodes, everyone)


@faults.register("partition-ring")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRing(Cut):
    """Let each node hear only its neighbours in a random ring: a majority, no two the same."""

    target: Aim = "all"

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the ring in its order; the last node is the first one's neighbour."""
        order = "-".join(map(str, nodes)) or description.target(self.target)
        return order + description.leader(nodes, modes)

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Join the nodes to a ring in their order."""
        return grudges.ring(nodes)


@faults.register("partition-bridge")
@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionBridge(Cut):
    """Cut the quorum into two halves; only the target node exchanges packets with both."""

    target: Aim = "follower"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Make the first node the bridge."""
        return grudges.bridge(nodes[0], everyone)


@faults.register("isolate")
@dataclass(frozen=True, slots=True, kw_only=True)
class Isolate(Cut):
    """Cut each of the target's nodes from every other node; clients still reach it."""

    target: Aim = "leader"

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Leave each of the nodes alone."""
        return grudges.isolate(nodes, everyone)


@faults.register("one-way")
@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay(Cut):
    """Make nodes deaf to the others, who still hear them; `deaf: false` mutes them instead."""

    target: Aim = "leader"
    deaf: bool = True
    """It does not hear the others; false: the others do not hear it."""

    @property
    def details(self) -> str:
        """Return which direction is lost."""
        return " deaf" if self.deaf else " mute"

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the nodes, since the two sides of a cut do not show its direction."""
        return description.nodes(nodes, modes) or description.target(self.target)

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Lose what the nodes should hear, or what they say."""
        return grudges.one_way(nodes, everyone, deaf=self.deaf)
