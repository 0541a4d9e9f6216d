"""What all partitions do with their grudge: put it in force, see it bite, and take it off."""

import time
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from harness.faults import Fault, grudges
from harness.harness_errors import TargetError
from harness.target import Drops, Evidence, Quorum, System

BITES_WITHIN_S = 5.0  # a leader speaks to its followers every half tick, half of them every second
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
        """Cut, and wait until each node has lost a packet."""
        return put("cut", system.quorum, self.drops(nodes, system.quorum.nodes))

    def bit(self, evidence: Evidence) -> bool:
        """Require a dropped packet on each node that must have met the cut."""
        return dropped_on_each(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let all hear each other again."""
        return take_off("cut", system.quorum)


def put(rule: str, quorum: Quorum, drops: Mapping[int, Drops]) -> Evidence:
    """Put a rule in force, and wait a while until each node has dropped a packet by it."""
    before = {str(seen.node): seen.mode for seen in quorum.statuses()}
    cut = {str(id): sorted(d.deaf_to | d.mute_to) for id, d in drops.items()}
    evidence = quorum.drop(rule, drops) | {"cut": cut, "before": before}
    deadline = time.monotonic() + BITES_WITHIN_S
    while True:
        seen = evidence | _packets(rule, quorum)
        if dropped_on_each(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(POLL_S)


def dropped_on_each(evidence: Mapping[str, Any]) -> bool:
    """Require a packet that was lost to or from each node that had something to say across the cut.

    Those are the leader and its followers: followers say nothing to each other until there is an
    election. Where nobody is cut from a leader, one packet anywhere is all that can be required.
    """
    packets = evidence["packets"]
    met = {id for id, count in packets.items() if count}
    # A packet is lost at the first rule it meets, which may be its sender's.
    links = evidence.get("links", {})
    met |= {peer for lost in links.values() for peer, count in lost.items() if count}
    return bool(met) and met >= _speaking(evidence["cut"], evidence["before"])


def _speaking(cut: Mapping[str, Collection[int]], modes: Mapping[str, str]) -> set[str]:
    """Return the nodes with a rule that had something to say across it, by their roles."""
    serving = {id for id, mode in modes.items() if mode in {"leader", "follower"}}
    leaders = {id for id in serving if modes[id] == "leader"}
    met = {
        id: serving.intersection(map(str, peers)) & (serving if id in leaders else leaders)
        for id, peers in cut.items()
    }
    return {id for id in serving.intersection(cut) if met[id]}


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
    lost = quorum.dropped(rule)
    return {
        "packets": {str(id): sum(peers.values()) for id, peers in lost.items()},
        "links": {str(id): {str(p): n for p, n in peers.items()} for id, peers in lost.items()},
    }
