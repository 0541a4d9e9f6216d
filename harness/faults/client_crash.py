"""Clients that die in the middle of a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clients import chosen
from harness.registry import Place
from harness.target import Clients, Evidence, System, Target

SIGKILLED = -9  # how Python tells a death by this signal


@faults.register("client-crash")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCrash(Fault):
    """End clients of a workload with SIGKILL; their sessions live on until they expire."""

    workload: str = "any"
    number: Place | None = None
    target: ClassVar[Target] = []
    lasting: ClassVar[bool] = False

    def choose(self, clients: Clients) -> Sequence[int]:
        """Take those of the workload that run."""
        return chosen(clients, self.workload, self.number)

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill."""
        return {"crashed": [system.clients.crash(client) for client in system.chosen]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that somebody ran, and died of the signal."""
        exits = [seen["exit_code"] for seen in evidence["crashed"]]
        return bool(exits) and set(exits) == {SIGKILLED}

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Leave the dead."""
        return {}
