"""A disk without a byte free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Aim, Disabling, all_or_none, each, faults
from harness.faults.servers import start_down
from harness.target import Evidence, System


@faults.register("disk-full")
@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(Disabling):
    """Fill disks; a server that cannot log ends, and healing frees the disk and starts it."""

    target: Aim = "leader"
    slot: ClassVar[str | None] = "disk"
    needs: ClassVar[frozenset[str]] = frozenset({"data_mb"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Fill, and see a write fail."""
        filled = all_or_none.on_each(
            nodes,
            lambda id: system.quorum.nodes[id].fill_disk(),
            lambda done: self.heal(system, done),
        )
        return {"disks": filled}

    def bit(self, evidence: Evidence) -> bool:
        """Require that a write failed on each."""
        return each(seen["write_failed"] for seen in evidence["disks"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Free the disks, and start those that ended."""
        freed = [system.quorum.nodes[id].free_disk() for id in nodes]
        return {"disks": freed, "started": start_down(system, nodes)}
