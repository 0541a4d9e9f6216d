"""Freeze servers: the hard case, since their sockets stay open and clients hang."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import faults
from harness.target import Evidence, Quorum


@faults.register("pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Freeze servers, sockets open and nothing answered; healing lets them go on."""

    target: str = "leader"
    lasting: ClassVar[bool] = True

    def inject(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Pause, and look whether the server still answers."""
        paused = [quorum.nodes[id].pause() for id in nodes]
        return {"paused": paused, "modes": [quorum.nodes[id].status().mode for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that nothing answers and the engine says it is frozen."""
        return all(mode == "paused" for mode in evidence["modes"])

    def heal(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Let what is paused go on."""
        paused = [id for id in nodes if quorum.nodes[id].status().mode == "paused"]
        return {"resumed": [quorum.nodes[id].resume() for id in paused]}
