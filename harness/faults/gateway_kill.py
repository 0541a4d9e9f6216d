"""Kill -9 of the gateway between the clients and the quorum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.common.harness_errors import UnsupportedError
from harness.faults import Fault, faults
from harness.target import Evidence, Gateway, System, Target

SIGKILLED = -9  # how Python tells a death by this signal


@faults.register("gateway-kill")
@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayKill(Fault):
    """Kill the gateway of `transport: rest` with SIGKILL; healing starts it again."""

    target: ClassVar[Target] = []
    slot: ClassVar[str | None] = "gateway"
    of_gateway: ClassVar[bool] = True
    fail_stop: ClassVar[bool] = True

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill, and see that its address does not answer any more."""
        return _gateway(system).kill()

    def bit(self, evidence: Evidence) -> bool:
        """Require that it died of the signal, and does not answer any more."""
        return evidence["exit_code"] == SIGKILLED and not evidence["answers"]

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Start it again at the same address, and wait until it answers.

        If the harness was killed, its gateway ended with it, and there is none to start.
        """
        return {} if system.gateway is None else system.gateway.start()


def _gateway(system: System) -> Gateway:
    if system.gateway is None:
        raise UnsupportedError("gateway: expected a run with `transport: rest`, got none")
    return system.gateway
