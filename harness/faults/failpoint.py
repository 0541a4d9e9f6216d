"""Servers stopped between two lines of their code; needs `cluster: {failpoints: true}`.

The agent in the server notes each thread that comes to the point: that is the evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.common.settings.failpoint_list import FailpointName
from harness.common.settings.setting_types import Count, Milliseconds, refuse
from harness.faults import Aim, Disabling, each, faults
from harness.faults.all_or_none import on_each
from harness.faults.servers import start_down
from harness.target import DOWN, Evidence, System
from harness.target.disturbances import FailpointEffect, FailpointRule

SLEEP_MS = 1000
_ERRORS = {
    "IOException": "java.io.IOException",
    "RuntimeException": "java.lang.RuntimeException",
    "InterruptedException": "java.lang.InterruptedException",
}
_ENDS_SERVERS = frozenset({"throw", "halt"})


@faults.register("failpoint")
@dataclass(frozen=True, slots=True, kw_only=True)
class Failpoint(Disabling):
    """Stop a thread of a server at a point of its code; healing lets it go on."""

    point: FailpointName = field()  # required: the base class's property is no default
    """Where, such as `Learner.syncWithLeader:setCurrentEpoch:after`."""
    do: FailpointEffect = field()
    """`pause` it until healed, let it `sleep`, `throw` an exception, or `halt` the server."""
    target: Aim = "leader"
    nth: Count = 1
    """The first thread that is stopped, counted from the injection on."""
    times: Count | Literal["all"] = 1
    """How many are stopped, or `all`."""
    sleep_ms: Annotated[Milliseconds, Field(ge=1)] | None = None
    """How long, with `do: sleep`; 1000 if it is not given."""
    error: Literal["IOException", "RuntimeException", "InterruptedException"] | None = None
    """What is thrown, with `do: throw`; an IOException if it is not given."""
    needs: ClassVar[frozenset[str]] = frozenset({"failpoints"})
    patient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what would have no effect."""
        refuse(self.sleep_ms is not None and self.do != "sleep", "sleep_ms beside `do: sleep` only")
        refuse(self.error is not None and self.do != "throw", "error beside `do: throw` only")

    @property
    def details(self) -> str:
        """Return what it does and where."""
        more = {"sleep": f" {self._sleep_ms} ms", "throw": f" {self._error}"}.get(self.do, "")
        nth = f" of thread {self.nth}" if self.nth > 1 else ""
        times = f", {self.times} times" if self.times != 1 else ""
        return f" {self.do}{more} at {self.point}{nth}{times}"

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Put the rule in force, and see whether a thread came at once."""
        on_each(
            system, nodes, lambda node: node.set_failpoint(self._rule_name, self._rule), self.heal
        )
        return self.look(system, nodes)

    def look(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Return which threads reached the point, and which servers are down."""
        members = system.members(nodes)
        seen = [node.failpoint_hits(self._rule_name) for node in members]
        down = [node.id for node in members if self.do == "halt" and node.process in DOWN]
        return {"point": self.point, "points": seen, "down": down}

    def bit(self, evidence: Evidence) -> bool:
        """Require a thread that was stopped on each node, and of `halt` that the server is down."""
        points = evidence["points"]
        ended = self.do != "halt" or len(evidence["down"]) == len(points)
        return ended and each(seen["struck"] > 0 for seen in points)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Take the rule off, and start a server that the fault ended."""
        seen = [node.clear_failpoint(self._rule_name) for node in system.members(nodes)]
        started = start_down(system, nodes) if self.do in _ENDS_SERVERS else []
        return {"points": seen, "started": started}

    @property
    def _rule_name(self) -> str:
        """Return the rule's name on a node, which a heal by another process has to find."""
        return f"{self.point}+{self.do}"

    @property
    def _sleep_ms(self) -> int:
        return self.sleep_ms or SLEEP_MS

    @property
    def _error(self) -> str:
        return self.error or "IOException"

    @property
    def _rule(self) -> FailpointRule:
        return FailpointRule(
            point=self.point,
            effect=self.do,
            nth=self.nth,
            times=None if self.times == "all" else self.times,
            most_ms=self._sleep_ms if self.do == "sleep" else None,
            error=_ERRORS[self._error],
        )
