"""Kill -9, the original's fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import faults
from harness.target import Evidence, Quorum

SIGKILL_STATUS = 137


@faults.register("kill")
@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Kill servers with SIGKILL; `wipe: true` deletes their data too; healing starts them again."""

    target: str = "leader"
    wipe: bool = False
    lasting: ClassVar[bool] = True

    def inject(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Kill, and wipe once the server is gone."""
        killed = [quorum.nodes[id].kill() for id in nodes]
        wiped = [quorum.nodes[id].wipe() for id in nodes] if self.wipe else []
        return {"killed": killed, "wiped": wiped}

    def bit(self, evidence: Evidence) -> bool:
        """Exit status 137 is SIGKILL's, and no other death's."""
        return all(seen["exit_code"] == SIGKILL_STATUS for seen in evidence["killed"])

    def heal(self, quorum: Quorum, nodes: Sequence[int]) -> Evidence:
        """Start what is down."""
        down = [id for id in nodes if quorum.nodes[id].status().mode == "down"]
        return {"started": [quorum.nodes[id].start() for id in down]}
