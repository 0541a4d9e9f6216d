"""Members taken out of the ensemble, and added again, by reconfiguration."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.target import Evidence, System, Target


@faults.register("remove-voter")
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVoter(Fault):
    """Take voters out of the ensemble while they run; healing adds them again."""

    target: Target = "follower"
    slot: ClassVar[str | None] = "members"
    needs: ClassVar[frozenset[str]] = frozenset({"reconfig"})

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count them: they vote no more."""
        return nodes

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Remove one after the other."""
        return {"removed": [system.quorum.remove_member(id) for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that the ensemble's own configuration has them no more."""
        return all(seen["node"] not in seen["voters"] for seen in evidence["removed"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Add them again."""
        return {"added": [system.quorum.add_member(id) for id in nodes]}
