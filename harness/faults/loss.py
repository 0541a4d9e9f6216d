"""Packets lost at random."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults, grudges
from harness.faults.cutting import dropped_on_each, put, take_off
from harness.registry import Percent
from harness.target import Drops, Evidence, System, Target

WHOLE = 100.0


@faults.register("loss")
@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Fault):
    """Lose a share of the packets that the target's nodes send to and get from the others."""

    target: Target = "leader"
    percent: Percent = 20.0
    slot: ClassVar[str | None] = "loss"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count who cannot exchange with a majority, where every packet is lost."""
        whole = self.percent == WHOLE
        return grudges.hurt(self._drops(nodes, everyone), everyone) if whole else ()

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Drop with chance, and wait until each node has lost a packet."""
        return put("loss", system.quorum, self._drops(nodes, system.quorum.nodes))

    def bit(self, evidence: Evidence) -> bool:
        """Require a dropped packet on each of the nodes."""
        return dropped_on_each(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Lose no more."""
        return take_off("loss", system.quorum)

    def _drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        others = {id: frozenset(everyone) - {id} for id in nodes}
        return {
            id: Drops(deaf_to=peers, mute_to=peers, percent=self.percent)
            for id, peers in others.items()
        }
