"""Clients that hear nothing from some or all servers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.faults import Fault, faults
from harness.faults.clients import chosen
from harness.target import Evidence, System, Target

BITES_WITHIN_S = 5.0  # a client without work speaks once in a third of its session
POLL_S = 0.05


@faults.register("client-cut")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCut(Fault):
    """Cut clients of a workload off from the target's servers; nothing is refused, all is silence.

    The quorum itself is whole. The target's default is all servers.
    """

    workload: str = "any"
    number: int | None = None
    target: Target = "all"
    slot: ClassVar[str | None] = "clients"
    forwarded: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Cut, and wait for the first message or connection that is held back."""
        clients = chosen(system.clients, self.workload, self.number)
        cut = [system.clients.cut(client, nodes) for client in clients]
        deadline = time.monotonic() + BITES_WITHIN_S
        while True:
            held = sum(system.clients.held(seen["client"]) - seen["held"] for seen in cut)
            if held or time.monotonic() > deadline:
                return {"cut": cut, "held": held}
            time.sleep(POLL_S)

    def bit(self, evidence: Evidence) -> bool:
        """Require that something was held back."""
        return bool(evidence["held"])

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let everything of every client through."""
        clients = chosen(system.clients, self.workload, self.number)
        return {"mended": [system.clients.mend(client) for client in clients]}
