"""Clients that are killed, frozen, or cut off from servers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from harness.common.harness_errors import UnsupportedError
from harness.common.polling import wait_until
from harness.common.settings.setting_types import Place
from harness.faults import BITES_WITHIN_S, Aim, Fault, description, each, faults
from harness.target import Clients, Evidence, System, Target

SIGKILLED = -9  # how Python tells a death by this signal
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFault(Fault):
    """A fault of the running clients of a workload (`any`: of all of them), or of one client."""

    fail_stop: ClassVar[bool] = True
    workload: Annotated[
        str, Field(description="Whose clients: the kind of a workload, or `any`.")
    ] = "any"
    number: Annotated[Place | None, Field(description="Which one, from 0. None: all of them.")] = (
        None
    )

    @property
    def details(self) -> str:
        """Return which clients it is about."""
        return f" {self._clients}"

    @property
    def _clients(self) -> str:
        which = "all clients" if self.workload == "any" else f"{self.workload} clients"
        return which if self.number is None else f"number {self.number} of {which}"

    def choose(self, clients: Clients, nodes: Sequence[int]) -> Sequence[int]:
        """Return those that run now."""
        return self._numbered(clients.running(self.workload))

    def _numbered(self, clients: Sequence[int]) -> Sequence[int]:
        return clients if self.number is None else clients[self.number : self.number + 1]


@faults.register("client-crash")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCrash(ClientFault):
    """End clients of a workload with SIGKILL; their sessions live on until they expire."""

    target: ClassVar[Target] = []
    lasting: ClassVar[bool] = False

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Kill them in the middle of a call."""
        return {"crashed": [system.clients.crash(client) for client in system.chosen]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that at least one ran, and that all died of the signal."""
        exits = [seen["exit_code"] for seen in evidence["crashed"]]
        return bool(exits) and set(exits) == {SIGKILLED}


@faults.register("client-pause")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPause(ClientFault):
    """Freeze clients of a workload with SIGSTOP, perhaps for longer than their sessions live."""

    target: ClassVar[Target] = []

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Freeze them; they do not notice."""
        return {"paused": [system.clients.pause(client) for client in system.chosen]}

    def bit(self, evidence: Evidence) -> bool:
        """Require that at least one ran, and that the kernel says all are stopped."""
        states = [seen["state"] for seen in evidence["paused"]]
        return bool(states) and set(states) == {"T"}

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let the frozen ones go on."""
        return {"resumed": [system.clients.resume(client) for client in system.chosen]}


@faults.register("client-cut")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCut(ClientFault):
    """Cut clients of a workload off from the target's servers: they get no answer, and no refusal.

    The quorum itself is whole. The target's default is all servers. `number` counts the clients
    that have a connection to one of them. While there is no such client, for example during an
    election, the fault waits; it is skipped if none comes.
    """

    target: Aim = "all"
    slot: ClassVar[str | None] = "clients"
    forwarded: ClassVar[bool] = True

    @property
    def details(self) -> str:
        """Return which clients it cuts off from its nodes."""
        return f" {self._clients} from"

    def choose(self, clients: Clients, nodes: Sequence[int]) -> Sequence[int]:
        """Return those that run now: all, or the one of that place among those connected."""
        running = clients.running(self.workload)
        if self.number is None:
            return running
        return self._numbered([one for one in running if clients.connections(one, nodes)])

    def misses(self, clients: Clients, nodes: Sequence[int]) -> str | None:
        """Return that none of the clients is connected to these nodes; None if one is."""
        return self._missed(clients, self.choose(clients, nodes), nodes)

    def _missed(self, clients: Clients, chosen: Sequence[int], nodes: Sequence[int]) -> str | None:
        if any(clients.connections(client, nodes) for client in chosen):
            return None
        return (
            f"expected {self._clients} connected to {description.nodes(nodes, {})}, "
            f"got none of {len(clients.running(self.workload))} that run"
        )

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Cut, and wait until each client that was connected has had something held back."""
        if why := self._missed(system.clients, system.chosen, nodes):
            raise UnsupportedError(why)
        cut = [system.clients.cut(client, nodes) for client in system.chosen]

        def look() -> Evidence:
            held = [system.clients.held(seen["client"]) - seen["held"] for seen in cut]
            return {"cut": cut, "held": sum(held), "held_each": held}

        return wait_until(look, self.bit, within_s=BITES_WITHIN_S, every_s=POLL_S)

    def bit(self, evidence: Evidence) -> bool:
        """Require that something was held back, of each client that had a connection cut."""
        cut, held = evidence["cut"], evidence["held"]
        held_each = evidence.get("held_each", [held] * len(cut))  # older runs have the sum alone
        met = (some or not seen["connections"] for seen, some in zip(cut, held_each, strict=True))
        return bool(held) and each(met)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Let everything through that was held back."""
        return {"mended": [system.clients.mend(client, nodes) for client in system.chosen]}
