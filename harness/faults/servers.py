"""Servers killed, frozen, restarted and started."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from harness.faults import Aim, Disabling, Fault, each, faults
from harness.faults.all_or_none import on_each
from harness.target import DOWN, Evidence, System

SIGKILL_STATUS = 137  # no other death has this exit status
UNANSWERED = frozenset({"paused", "silent", "down"})  # a probe over a slow link may break off


@faults.register("kill")
@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(Disabling):
    """Kill servers with SIGKILL; `wipe: true` deletes their data too; healing starts them again."""

    target: Aim = "leader"
    wipe: bool = False
    """Delete its data, too, before it starts again."""
    slot: ClassVar[str | None] = "process"
    of_running: ClassVar[bool] = True
    fail_stop: ClassVar[bool] = True

    @property
    def details(self) -> str:
        """Return `+wipe` if the data goes too."""
        return "+wipe" if self.wipe else ""

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill, and wipe once the server is gone."""
        killed = on_each(system, nodes, lambda node: node.kill(), start_down)
        wiped = [node.wipe() for node in system.members(nodes)] if self.wipe else []
        return {"killed": killed, "wiped": wiped}

    def bit(self, evidence: Evidence) -> bool:
        """Require SIGKILL's exit status, and disks that had something to wipe."""
        dead = each(seen["exit_code"] == SIGKILL_STATUS for seen in evidence["killed"])
        wiped = wiped_something(evidence["wiped"]) if self.wipe else not evidence["wiped"]
        return dead and wiped

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start the servers that are down."""
        return {"started": start_down(system, nodes)}


@faults.register("start")
@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Fault):
    """Start servers that are down; the target is a number or a bound name."""

    target: Aim = field()  # required: the base class's property is no default
    lasting: ClassVar[bool] = False
    fail_stop: ClassVar[bool] = True
    ends: ClassVar[frozenset[str]] = frozenset({"kill", "power-loss", "torn-write"})

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start them before the fault that ended them is healed."""
        return {"started": start_down(system, nodes)}

    def bit(self, evidence: Evidence) -> bool:
        """Require that at least one server was down, and was started."""
        return bool(evidence["started"])


@faults.register("pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Disabling):
    """Freeze servers: sockets stay open and nothing answers; healing lets them go on."""

    target: Aim = "leader"
    slot: ClassVar[str | None] = "process"
    of_running: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Pause, and look whether the server still answers."""
        paused = on_each(system, nodes, lambda node: node.pause(), self.heal)
        modes = [node.status().mode for node in system.members(nodes)]
        return {"paused": paused, "modes": modes}

    def bit(self, evidence: Evidence) -> bool:
        """Require that the engine says it is frozen and that nothing answers."""
        frozen = each(seen["state"] == "paused" for seen in evidence["paused"])
        return frozen and UNANSWERED.issuperset(evidence["modes"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Resume the servers that are paused."""
        members = system.members(nodes)
        return {"resumed": [node.resume() for node in members if node.process == "paused"]}


@faults.register("restart")
@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Disabling):
    """Stop servers with SIGTERM and start them again at once, as an operator does."""

    target: Aim = "leader"
    lasting: ClassVar[bool] = False
    slot: ClassVar[str | None] = "process"
    of_running: ClassVar[bool] = True
    fail_stop: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Stop all, then start all."""
        stopped = on_each(system, nodes, lambda node: node.stop(), start_down)
        return {"stopped": stopped, "started": [node.start() for node in system.members(nodes)]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server is another process than before."""
        before = {seen["node"]: seen["started_at"] for seen in evidence["stopped"]}
        return each(seen["started_at"] != before[seen["node"]] for seen in evidence["started"])


def start_down(system: System, nodes: Sequence[int]) -> list[Evidence]:
    """Start those of the nodes that are down; return what was seen of each.

    Ask the engine which are down: a fault may have slowed the network that a probe would need.
    """
    return [node.start() for node in system.members(nodes) if node.process in DOWN]


def wiped_something(wiped: Sequence[Evidence]) -> bool:
    """Tell whether each of the disks that were wiped had something on it."""
    return each(seen["wiped_kb"] > 0 for seen in wiped)
