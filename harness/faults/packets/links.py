"""Bad links: packets that are lost, or must wait for bandwidth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.common.settings.setting_types import Count, Percent
from harness.faults import BITES_WITHIN_S, Aim, Fault, each, faults
from harness.faults.all_or_none import on_each
from harness.faults.packets.drop_rules import Dropping
from harness.target import Evidence, System
from harness.target.disturbances import Drops, Shape

NO_SHAPE = {"noqueue", "pfifo_fast", "fq_codel"}  # what a device has that was never shaped
POLL_S = 0.1


@faults.register("loss")
@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Dropping):
    """Lose a share of the packets that the target's nodes send to and get from the others."""

    target: Aim = "leader"
    percent: Percent = 20.0
    """The share of packets that are lost."""
    slot: ClassVar[str] = "loss"

    @property
    def details(self) -> str:
        """Return the share of packets that it loses."""
        return f" {self.percent:g} %"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return the nodes that cannot exchange with a majority, if every packet is lost."""
        return Dropping.hurts(self, nodes, everyone) if self.percent == 100 else ()

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Lose a share of what each node sends and gets."""
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
    """The rate that is left, in kbit/s."""
    slot: ClassVar[str | None] = "shape"

    @property
    def details(self) -> str:
        """Return the rate that is left."""
        return f" {self.rate_kbit} kbit/s"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Shape the nodes, and wait up to BITES_WITHIN_S until each has held a packet back."""
        members = system.members(nodes)
        shape = Shape(rate_kbit=self.rate_kbit)
        shaped = on_each(system, nodes, lambda node: node.shape(shape), self.heal)
        return wait_until(
            lambda: {"shaped": shaped, "seen": [node.shaped() for node in members]},
            self.bit,
            within_s=BITES_WITHIN_S,
            every_s=POLL_S,
        )

    def bit(self, evidence: Evidence) -> bool:
        """Require that packets were held back on every node."""
        return each(seen["held"] for seen in evidence["seen"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Remove the limit; return its counters as they were.

        Raises:
            TargetError: a node still has a limit.
        """
        members = system.members(nodes)
        seen = [node.shaped() for node in members]
        for node in members:
            node.shape(None)
        kinds = {node.id: _kinds(node.shaped()) for node in members}
        if left := {id: kind for id, kind in kinds.items() if not kind <= NO_SHAPE}:
            raise TargetError(f"shape: expected none, got {left}")
        return {"seen": seen}


def _kinds(seen: Evidence) -> set[str]:
    """Return the kinds of queue that a node has, to its peers and to clients."""
    return {queue["kind"] for queue in (seen, seen.get("clients", seen))}
