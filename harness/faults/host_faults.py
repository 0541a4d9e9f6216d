"""Faults of a host: all nodes of one machine at once. They need a quorum on several hosts."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

from harness.common.harness_errors import UnsupportedError
from harness.faults import Aim, faults
from harness.faults.packets import grudges
from harness.faults.packets.partitions import Cut
from harness.faults.servers import Kill, Pause, start_down
from harness.target import Evidence, System
from harness.target.disturbances import Drops

ENGINES = frozenset({"engines"})


@faults.register("host-down")
@dataclass(frozen=True, slots=True, kw_only=True)
class HostDown(Kill):
    """Kill all servers of the target's host at once; healing starts them again."""

    wipe: bool = False
    """Delete their data, too, before they start again."""
    of_host: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = ENGINES

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill them at the same time, as when a machine loses power; then wipe."""
        members = system.members(nodes)
        try:
            with ThreadPoolExecutor(max_workers=len(members)) as pool:
                killed = list(pool.map(lambda node: node.kill(), members))
        except UnsupportedError:
            start_down(system, nodes)
            raise
        wiped = [node.wipe() for node in members] if self.wipe else []
        return {"killed": killed, "wiped": wiped}


@faults.register("host-pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class HostPause(Pause):
    """Freeze all servers of the target's host; sockets stay open and nothing answers."""

    of_host: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = ENGINES


@faults.register("host-partition")
@dataclass(frozen=True, slots=True, kw_only=True)
class HostPartition(Cut):
    """Cut the nodes of the target's host from all other hosts; they still hear each other."""

    target: Aim = "leader"
    of_host: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = ENGINES

    def drops(self, nodes: Sequence[int], everyone: Collection[int]) -> dict[int, Drops]:
        """Cut the host's nodes from the rest."""
        return grudges.together(nodes, everyone)
