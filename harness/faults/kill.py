"""Kill -9, the original's fault."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.target import DOWN, Evidence, System, Target

SIGKILL_STATUS = 137


@faults.register("kill")
@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(Fault):
    """Kill servers with SIGKILL; `wipe: true` deletes their data too; healing starts them again."""

    target: Target = "leader"
    wipe: bool = False
    slot: ClassVar[str | None] = "process"

    def hurts(self, nodes: Sequence[int], everyone: Collection[int]) -> Collection[int]:
        """Count the dead."""
        return nodes

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill, and wipe once the server is gone."""
        killed = [system.quorum.nodes[id].kill() for id in nodes]
        wiped = [system.quorum.nodes[id].wipe() for id in nodes] if self.wipe else []
        return {"killed": killed, "wiped": wiped}

    def bit(self, evidence: Evidence) -> bool:
        """Exit status 137 is SIGKILL's, and no other death's; an empty disk was not wiped."""
        dead = all(seen["exit_code"] == SIGKILL_STATUS for seen in evidence["killed"])
        return dead and bool(evidence["wiped"]) == self.wipe and wiped_something(evidence["wiped"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start what is down."""
        return {"started": start_down(system, nodes)}


def start_down(system: System, nodes: Sequence[int]) -> list[Evidence]:
    """Start those of the nodes that are down; return what was seen of each.

    The engine says who is down: a probe over a network that a fault has slowed down tells nothing.
    """
    members = [system.quorum.nodes[id] for id in nodes]
    return [node.start() for node in members if node.process in DOWN]


def wiped_something(wiped: Sequence[Evidence]) -> bool:
    """Tell whether each of the disks that were wiped had something on it."""
    return all(seen["wiped_kb"] > 0 for seen in wiped)
