"""An orderly restart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.target import Evidence, System, Target


@faults.register("restart")
@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Fault):
    """Stop servers with SIGTERM and start them again at once, as an operator does."""

    target: Target = "leader"
    lasting: ClassVar[bool] = False
    slot: ClassVar[str | None] = "process"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count those that are down for a moment."""
        return nodes

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Stop all, then start all."""
        stopped = [system.quorum.nodes[id].stop() for id in nodes]
        return {"stopped": stopped, "started": [system.quorum.nodes[id].start() for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server is another process than before."""
        before = {seen["node"]: seen["started_at"] for seen in evidence["stopped"]}
        return all(seen["started_at"] != before[seen["node"]] for seen in evidence["started"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Leave them running."""
        return {}
