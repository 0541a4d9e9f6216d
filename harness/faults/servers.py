"""Servers killed, frozen, restarted and started."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from harness.faults import Aim, Disabling, Fault, all_or_none, each, faults
from harness.target import DOWN, Evidence, Node, System

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
        killed = end_each(system, nodes, lambda node: node.kill())
        wiped = [system.quorum.nodes[id].wipe() for id in nodes] if self.wipe else []
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
        paused = all_or_none.on_each(
            nodes,
            lambda id: system.quorum.nodes[id].pause(),
            lambda done: self.heal(system, done),
        )
        modes = [system.quorum.nodes[id].status().mode for id in nodes]
        return {"paused": paused, "modes": modes}

    def bit(self, evidence: Evidence) -> bool:
        """Require that the engine says it is frozen and that nothing answers."""
        frozen = each(seen["state"] == "paused" for seen in evidence["paused"])
        return frozen and UNANSWERED.issuperset(evidence["modes"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Resume the servers that are paused."""
        members = [system.quorum.nodes[id] for id in nodes]
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
        stopped = end_each(system, nodes, lambda node: node.stop())
        return {"stopped": stopped, "started": [system.quorum.nodes[id].start() for id in nodes]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server is another process than before."""
        before = {seen["node"]: seen["started_at"] for seen in evidence["stopped"]}
        return each(seen["started_at"] != before[seen["node"]] for seen in evidence["started"])


def end_each(
    system: System, nodes: Sequence[int], end: Callable[[Node], Evidence]
) -> list[Evidence]:
    """End one server after the other; return what was seen of each.

    Raises:
        UnsupportedError: one has ended by itself. Those before it were started again.
    """
    return all_or_none.on_each(
        nodes,
        lambda id: end(system.quorum.nodes[id]),
        lambda done: start_down(system, done),
    )


def start_down(system: System, nodes: Sequence[int]) -> list[Evidence]:
    """Start those of the nodes that are down; return what was seen of each.

    Ask the engine which are down: a fault may have slowed the network that a probe would need.
    """
    members = [system.quorum.nodes[id] for id in nodes]
    return [node.start() for node in members if node.process in DOWN]


def wiped_something(wiped: Sequence[Evidence]) -> bool:
    """Tell whether each of the disks that were wiped had something on it."""
    return each(seen["wiped_kb"] > 0 for seen in wiped)
