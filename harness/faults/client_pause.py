"""Clients that stop and go on as if nothing had been: the zombie, if their session is over then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clients import chosen
from harness.registry import Place
from harness.target import Clients, Evidence, System, Target


@faults.register("client-pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPause(Fault):
    """Freeze clients of a workload with SIGSTOP; for longer than their session makes zombies."""

    workload: str = "any"
    number: Place | None = None
    target: ClassVar[Target] = []

    def choose(self, clients: Clients) -> Sequence[int]:
        """Take those of the workload that run."""
        return chosen(clients, self.workload, self.number)

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Freeze."""
        return {"paused": [system.clients.pause(client) for client in system.chosen]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that somebody ran, and that the kernel says all are stopped."""
        states = [seen["state"] for seen in evidence["paused"]]
        return bool(states) and set(states) == {"T"}

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let those go on that were frozen."""
        return {"resumed": [system.clients.resume(client) for client in system.chosen]}
