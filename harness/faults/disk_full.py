"""A disk without a byte free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Aim, Disabling, each, faults
from harness.faults.all_or_none import on_each
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
        return {"disks": on_each(system, nodes, lambda node: node.fill_disk(), self.heal)}

    def bit(self, evidence: Evidence) -> bool:
        """Require that a write failed on each."""
        return each(seen["write_failed"] for seen in evidence["disks"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Free the disks, and start those that ended."""
        freed = [node.free_disk() for node in system.members(nodes)]
        return {"disks": freed, "started": start_down(system, nodes)}
