"""The whole quorum restarted under load."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults, rolling
from harness.target import Evidence, System, Target


@faults.register("rolling-restart")
@dataclass(frozen=True, slots=True, kw_only=True)
class RollingRestart(Fault):
    """Restart one server at a time, the leader last, the next when all followers are synced."""

    target: Target = "all"
    lasting: ClassVar[bool] = False
    slot: ClassVar[str | None] = "process"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count the one that is down."""
        return nodes[:1]

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Restart all, one after the other."""

        def renew(id: int) -> Evidence:
            node = system.quorum.nodes[id]
            return {"node": id, "stopped": node.stop(), "started": node.start()}

        return rolling.each(system.quorum, nodes, renew)

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server is another process than before."""
        return all(
            seen["stopped"]["started_at"] != seen["started"]["started_at"]
            for seen in evidence["renewed"]
        )

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Leave them running."""
        return {}
