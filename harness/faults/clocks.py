"""Servers whose wall clock jumps, once or back and forth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from harness.common.settings.setting_types import Jump, StrobePeriod
from harness.faults import Aim, Fault, each, faults
from harness.faults.all_or_none import on_each
from harness.target import Evidence, Node, System

TOLERANCE_S = 1.5  # both clocks are asked one after the other, on a machine that may be busy


class WrongClock(Fault, Protocol):
    """A fault that moves servers' wall clocks; healing sets them right."""

    slot: ClassVar[str | None] = "clock"
    needs: ClassVar[frozenset[str]] = frozenset({"faketime"})

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Set the clocks right, and verify it."""
        return {"clocks": [node.set_clock(0) for node in system.members(nodes)]}


@faults.register("clock")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(WrongClock):
    """Set servers' wall clocks forward or back by `offset_s`; healing sets them right."""

    target: Aim = "leader"
    offset_s: Jump = 3600.0
    """How far, forward or (below 0) back; at least 5 s."""

    @property
    def details(self) -> str:
        """Return the jump, with its direction."""
        return f" {self.offset_s:+g} s"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Jump, and wait until the server itself tells the new time."""
        clocks = on_each(system, nodes, lambda node: node.set_clock(self.offset_s), self.heal)
        return {"wanted_s": self.offset_s, "clocks": clocks}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server's time was seen to be off by that much."""
        return each(_near(seen["offset_s"], evidence["wanted_s"]) for seen in evidence["clocks"])


@faults.register("clock-strobe")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStrobe(WrongClock):
    """Let servers' wall clocks jump by `offset_s` and back once each `period_s`."""

    target: Aim = "leader"
    offset_s: Jump = 3600.0
    """How far, forward or (below 0) back; at least 5 s."""
    period_s: StrobePeriod = 4.0
    """One jump and its way back; at least 4 s."""

    @property
    def details(self) -> str:
        """Return the jump and its period."""
        return f" {self.offset_s:+g} s every {self.period_s:g} s"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Begin, and wait until the servers themselves have told both times."""

        def strobe(node: Node) -> Evidence:
            return node.strobe_clock(self.offset_s, self.period_s)

        return {"clocks": on_each(system, nodes, strobe, self.heal)}

    def bit(self, evidence: Evidence) -> bool:
        """Require that each server told the right time and the other one."""
        return each(
            any(_near(seen_s, wanted_s) for seen_s in clock["seen_s"])
            for clock in evidence["clocks"]
            for wanted_s in (0.0, self.offset_s)
        )


def _near(seen_s: float | None, wanted_s: float) -> bool:
    return seen_s is not None and abs(seen_s - wanted_s) <= TOLERANCE_S
