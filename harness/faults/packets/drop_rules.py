"""Rules that drop packets between nodes: put in force, seen to drop some, and taken off."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.faults import BITES_WITHIN_S, Fault
from harness.faults.packets import grudges
from harness.target import Evidence, Quorum, System
from harness.target.disturbances import Drops

POLL_S = 0.05


class Dropping(Fault, Protocol):
    """A fault that drops packets: a subclass says which ones, and names the rule by its slot."""

    slot: ClassVar[str]

    @abstractmethod
    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Return what each node loses while `nodes` are the target."""

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Return the nodes that cannot exchange with a majority."""
        return grudges.hurt(self.drops(nodes, everyone), everyone)

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Drop packets, and wait until each node has lost one."""
        return put(self.slot, system.quorum, self.drops(nodes, system.quorum.nodes))

    def bit(self, evidence: Evidence) -> bool:
        """Require a dropped packet on each node that sends packets across the cut by itself."""
        return dropped_on_each(evidence)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let every packet through again."""
        return take_off(self.slot, system.quorum)


def put(rule: str, quorum: Quorum, drops: Mapping[int, Drops]) -> Evidence:
    """Put a rule in force; wait up to BITES_WITHIN_S until each node has dropped a packet by it.

    Followers send each other nothing until an election. So if a rule cuts followers from each
    other, the harness sends a datagram that the rule has to drop.
    """
    before = {str(seen.node): seen.mode for seen in quorum.statuses()}
    cut = {str(id): sorted(d.deaf_to | d.mute_to) for id, d in drops.items()}
    evidence = quorum.drop(rule, drops) | {"cut": cut, "before": before}
    if silent := _silent(drops, before):
        quorum.speak(silent)
        evidence["spoken"] = sorted(map(list, silent))
    return wait_until(
        lambda: evidence | _packets(rule, quorum),
        dropped_on_each,
        within_s=BITES_WITHIN_S,
        every_s=POLL_S,
    )


def dropped_on_each(evidence: Mapping[str, Any]) -> bool:
    """Require a packet lost to or from each node that exchanges packets across the cut by itself.

    A leader and its followers do. Each datagram that the harness sent must be lost, too. If there
    are no such nodes and no datagrams, one lost packet is enough.
    """
    spoken = {frozenset(map(str, pair)) for pair in evidence.get("spoken", ())}
    # A packet is lost at the first rule it meets, which may be its sender's.
    lost = {
        frozenset({id, peer})
        for id, peers in evidence.get("links", {}).items()
        for peer, count in peers.items()
        if count
    }
    met = set().union(*(lost - spoken))
    if "links" not in evidence:  # a record of an earlier release
        met = {id for id, count in evidence["packets"].items() if count}
    needed = _speaking(evidence["cut"], evidence["before"])
    return bool(met or lost) and met >= needed and lost >= spoken


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


def _silent(drops: Mapping[int, Drops], modes: Mapping[str, str]) -> set[tuple[int, int]]:
    """Return the (sender, receiver) that are cut for certain and send nothing by themselves."""
    whole = {id: each for id, each in drops.items() if each.percent >= 100}
    out = {(id, peer) for id, each in whole.items() for peer in each.mute_to}
    into = {(peer, id) for id, each in whole.items() for peer in each.deaf_to}
    return {pair for pair in out | into if frozenset(map(str, pair)) not in _talks(modes)}


def _speaking(cut: Mapping[str, Collection[int]], modes: Mapping[str, str]) -> set[str]:
    """Return the nodes that, by their roles, exchange packets across the cut by themselves."""
    talks = _talks(modes)
    return {
        id
        for id, peers in cut.items()
        if any(frozenset({id, str(peer)}) in talks for peer in peers)
    }


def _talks(modes: Mapping[str, str]) -> set[frozenset[str]]:
    """Return the pairs that exchange packets by themselves: a leader, and another that serves."""
    serving = {id for id, mode in modes.items() if mode in {"leader", "follower", "observer"}}
    leaders = {id for id in serving if modes[id] == "leader"}
    return {frozenset({id, peer}) for id in leaders for peer in serving - {id}}


def _packets(rule: str, quorum: Quorum) -> Evidence:
    lost = quorum.dropped(rule)
    return {
        "packets": {str(id): sum(peers.values()) for id, peers in lost.items()},
        "links": {str(id): {str(p): n for p, n in peers.items()} for id, peers in lost.items()},
    }
