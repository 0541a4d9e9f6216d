"""The whole quorum taken to another release under load."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.faults import Fault, faults, rolling
from harness.target import Evidence, System, Target


@faults.register("rolling-upgrade")
@dataclass(frozen=True, slots=True, kw_only=True)
class RollingUpgrade(Fault):
    """Take one server at a time to release `to`, the next when all followers are synced."""

    to: Literal["3.9.6", "3.9.3", "3.8.0"] = field()
    target: Target = "all"
    lasting: ClassVar[bool] = False
    slot: ClassVar[str | None] = "process"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count the one that is down."""
        return nodes[:1]

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Upgrade all, one after the other, and ask each for its release."""

        def renew(id: int) -> Evidence:
            node = system.quorum.nodes[id]
            stopped = node.stop()
            return {"stopped": stopped, **system.quorum.upgrade(id, self.to), "up": node.start()}

        evidence = rolling.each(system.quorum, nodes, renew)
        told = system.quorum.statuses(metrics=True)
        versions = {str(s.node): (s.metrics or {}).get("zk_version", "") for s in told}
        return evidence | {"to": self.to, "versions": versions}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server says it is of the release."""
        told = [evidence["versions"][str(seen["node"])] for seen in evidence["renewed"]]
        return all(version.startswith(evidence["to"]) for version in told)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Leave them upgraded."""
        return {}
