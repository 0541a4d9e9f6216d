"""Freeze servers: the hard case, since their sockets stay open and clients hang."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.target import Evidence, System, Target

UNANSWERED = frozenset({"paused", "silent", "down"})  # a slow link may break a probe off


@faults.register("pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Fault):
    """Freeze servers, sockets open and nothing answered; healing lets them go on."""

    target: Target = "leader"
    slot: ClassVar[str | None] = "process"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count the frozen."""
        return nodes

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Pause, and look whether the server still answers."""
        paused = [system.quorum.nodes[id].pause() for id in nodes]
        modes = [system.quorum.nodes[id].status().mode for id in nodes]
        return {"paused": paused, "modes": modes}

    def bit(self, evidence: Evidence) -> bool:
        """Require that the engine says it is frozen and that nothing answers."""
        frozen = all(seen["state"] == "paused" for seen in evidence["paused"])
        return frozen and UNANSWERED.issuperset(evidence["modes"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let what is paused go on."""
        members = [system.quorum.nodes[id] for id in nodes]
        return {"resumed": [node.resume() for node in members if node.process == "paused"]}
