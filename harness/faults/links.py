"""Bad links: packets that are lost, or must wait for bandwidth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.common.setting_types import Count, Percent
from harness.disturbances import Drops, Shape
from harness.faults import Aim, Fault, drop_rules, faults, grudges
from harness.target import Evidence, System

NO_SHAPE = {"noqueue", "pfifo_fast", "fq_codel"}  # what a device has that was never shaped
BITES_WITHIN_S = 3.0
POLL_S = 0.1
LOSS_RULE = "loss"


@faults.register("loss")
@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Fault):
    """Lose a share of the packets that the target's nodes send to and get from the others."""

    target: Aim = "leader"
    percent: Percent = 20.0
    """The share of packets that are lost."""
    slot: ClassVar[str | None] = "loss"

    @property
    def details(self) -> str:
        """Return the share of packets that it loses."""
        return f" {self.percent:g} %"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return the nodes that cannot exchange with a majority, if every packet is lost."""
        whole = self.percent == 100
        return grudges.hurt(self._drops(nodes, everyone), everyone) if whole else ()

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Drop at random, and wait until each node has lost a packet."""
        return drop_rules.put(LOSS_RULE, system.quorum, self._drops(nodes, system.quorum.nodes))

    def bit(self, evidence: Evidence) -> bool:
        """Require a dropped packet on each of the nodes."""
        return drop_rules.dropped_on_each(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let every packet through again."""
        return drop_rules.take_off(LOSS_RULE, system.quorum)

    def _drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        others = {id: frozenset(everyone) - {id} for id in nodes}
        return {
            id: Drops(deaf_to=peers, mute_to=peers, percent=self.percent)
            for id, peers in others.items()
        }


@faults.register("bandwidth")
@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(Fault):
    """Let nodes send no more than `rate_kbit`, to peers and clients together."""

    target: Aim = "leader"
    rate_kbit: Count = 64
    """What is left to send."""
    slot: ClassVar[str | None] = "shape"

    @property
    def details(self) -> str:
        """Return the rate that is left."""
        return f" {self.rate_kbit} kbit/s"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Shape the nodes, and wait up to 3 s until each has held a packet back."""
        members = [system.quorum.nodes[id] for id in nodes]
        shaped = [node.shape(Shape(rate_kbit=self.rate_kbit)) for node in members]
        return wait_until(
            lambda: {"shaped": shaped, "seen": [node.shaped() for node in members]},
            self.bit,
            within_s=BITES_WITHIN_S,
            every_s=POLL_S,
        )

    def bit(self, evidence: Evidence) -> bool:
        """Require that packets were held back on every node."""
        return all(seen["held"] for seen in evidence["seen"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Take the shape off; return what it had done by then.

        Raises:
            TargetError: a node still has one.
        """
        members = [system.quorum.nodes[id] for id in nodes]
        seen = [node.shaped() for node in members]
        for node in members:
            node.shape(None)
        kinds = {node.id: node.shaped()["kind"] for node in members}
        if left := {id: kind for id, kind in kinds.items() if kind not in NO_SHAPE}:
            raise TargetError(f"shape: expected none, got {left}")
        return {"seen": seen}
