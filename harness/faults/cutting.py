"""What all partitions do with their grudge: put it in force, see it bite, and take it off."""

import time
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from harness.errors import TargetError
from harness.faults import Fault, grudges
from harness.target import Drops, Evidence, Quorum, System

BITES_WITHIN_S = 3.0  # a leader speaks to its followers every half tick, half of them every second
POLL_S = 0.05


class Cut(Fault, Protocol):
    """A partition: it says who loses which packets, and the rest is the same for all."""

    slot: ClassVar[str | None] = "cut"

    @abstractmethod
    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Return what each node loses while `nodes` are the target."""

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count who cannot exchange with a majority."""
        return grudges.hurt(self.drops(nodes, everyone), everyone)

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Cut, and wait for the first packet that is lost."""
        return put("cut", system.quorum, self.drops(nodes, system.quorum.nodes))

    def bit(self, evidence: Evidence) -> bool:
        """Require a dropped packet."""
        return dropped_any(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let all hear each other again."""
        return take_off("cut", system.quorum)


def put(rule: str, quorum: Quorum, drops: Mapping[int, Drops]) -> Evidence:
    """Put a rule in force, and wait a while for the first packet it drops."""
    evidence = quorum.drop(rule, drops)
    deadline = time.monotonic() + BITES_WITHIN_S
    while not dropped_any(seen := _packets(rule, quorum)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    cut = {str(id): sorted(d.deaf_to | d.mute_to) for id, d in drops.items()}
    return evidence | {"cut": cut} | seen


def dropped_any(evidence: Mapping[str, Any]) -> bool:
    """Require a dropped packet: a rule that counted none did not bite."""
    return any(evidence["packets"].values())


def take_off(rule: str, quorum: Quorum) -> Evidence:
    """Take a rule off all nodes; return what it had dropped by then.

    Raises:
        TargetError: a node still has it.
    """
    dropped = _packets(rule, quorum)
    quorum.drop(rule, {})
    if left := quorum.dropped(rule):
        raise TargetError(f"rule {rule!r}: expected it gone, got it on nodes {sorted(left)}")
    return dropped


def _packets(rule: str, quorum: Quorum) -> Evidence:
    return {"packets": {str(id): count for id, count in quorum.dropped(rule).items()}}
