"""Clients that hear nothing from some or all servers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clients import chosen
from harness.registry import Place
from harness.target import Clients, Evidence, System, Target

BITES_WITHIN_S = 5.0  # a client without work speaks once in a third of its session
POLL_S = 0.05


@faults.register("client-cut")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCut(Fault):
    """Cut clients of a workload off from the target's servers; nothing is refused, all is silence.

    The quorum itself is whole. The target's default is all servers.
    """

    workload: str = "any"
    number: Place | None = None
    target: Target = "all"
    slot: ClassVar[str | None] = "clients"
    forwarded: ClassVar[bool] = True

    def choose(self, clients: Clients) -> Sequence[int]:
        """Take those of the workload that run."""
        return chosen(clients, self.workload, self.number)

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Cut, and wait until each client that was connected has had something held back."""
        cut = [system.clients.cut(client, nodes) for client in system.chosen]
        deadline = time.monotonic() + BITES_WITHIN_S
        while True:
            held = [system.clients.held(seen["client"]) - seen["held"] for seen in cut]
            evidence = {"cut": cut, "held": sum(held), "held_each": held}
            if self.bit(evidence) or time.monotonic() > deadline:
                return evidence
            time.sleep(POLL_S)

    def bit(self, evidence: Evidence) -> bool:
        """Require that something was held back, of each client that had a connection cut."""
        pairs = zip(evidence["cut"], evidence.get("held_each", ()), strict=False)
        unmet = [seen for seen, held in pairs if seen["connections"] and not held]
        return bool(evidence["held"]) and not unmet

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let everything through again of those that were cut off."""
        return {"mended": [system.clients.mend(client, nodes) for client in system.chosen]}
