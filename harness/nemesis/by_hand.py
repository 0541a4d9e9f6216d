"""Faults without a run: injected into a quorum that is up, and noted in its undo ledger.

The process that injects ends at once, so nothing renews its leases: rules end by themselves when
their time is over. Everything else stays until the ledger's entries are healed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.common.harness_errors import ScenarioError, TargetError, UnsupportedError
from harness.common.polling import wait_until
from harness.common.server_states import NodeStatus, answered
from harness.common.settings.quorum_config import QuorumConfig
from harness.faults import BITES_WITHIN_S, Fault, faults
from harness.nemesis import undo
from harness.scenario import budget, roles
from harness.target import Clients, Evidence, Quorum, System
from harness.workers.running_clients import NO_CLIENTS

POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault that was injected by hand.

    Attributes:
        what: what it did to whom, in words.
        bit: whether the evidence shows that it took effect.
    """

    nodes: list[int]
    what: str
    evidence: Evidence
    bit: bool


def inject(
    quorum: Quorum,
    kind: str,
    settings: Mapping[str, Any],
    *,
    id: int,
    in_force: Sequence[Mapping[str, Any]],
    until_s: float,
    clients: Clients = NO_CLIENTS,
) -> Injected:
    """Inject a fault now; return what it did, and what was observed of it.

    Args:
        quorum: the one to hurt.
        kind: the fault's registered name; `settings` are its fields.
        settings: as in a scenario.
        id: its number in the ledger.
        in_force: the ledger's open entries.
        until_s: the machine's uptime at which its time is over.
        clients: those that run beside the quorum, for faults of clients.

    Raises:
        ScenarioError: no such fault or target, or one in force leaves no room for it.
        UnsupportedError: it cannot be done here, and nothing was.
        TargetError: it could not be done.
    """
    fault = undo.fault_of(kind, settings)
    statuses = answered(quorum.statuses)
    nodes = _aimed(kind, fault, quorum, statuses)
    others = [_held(entry) for entry in in_force]
    if (held := budget.excluder(fault, nodes, others)) is not None:
        raise ScenarioError(f"{kind}: expected no {held.name!r} in force; `harness heal` ends it")
    chosen = fault.choose(clients, nodes)
    entry = undo.entry(fault, id=id, name=kind, kind=kind, nodes=nodes, clients=chosen)
    quorum.ledger.begin(entry)
    system = System(quorum=quorum, clients=clients, chosen=chosen)
    try:
        evidence = fault.inject(system, nodes)
    except UnsupportedError as error:
        quorum.ledger.end(id)
        raise UnsupportedError(f"{kind}: {error}") from error
    if fault.patient and not fault.bit(evidence):
        evidence = wait_until(
            lambda: fault.look(system, nodes), fault.bit, within_s=BITES_WITHIN_S, every_s=POLL_S
        )
    if fault.lasting:
        quorum.ledger.begin({**entry, "until_s": until_s})
    else:
        quorum.ledger.end(id)
    what = fault.describe(kind, nodes, {str(seen.node): seen.mode for seen in statuses})
    return Injected(nodes=nodes, what=what, evidence=evidence, bit=fault.bit(evidence))


def _cluster(statuses: Sequence[NodeStatus]) -> QuorumConfig:
    """Return what is known of a quorum's settings by its servers' states."""
    modes = ["observer" if seen.mode == "observer" else "participant" for seen in statuses]
    return QuorumConfig.model_validate({"nodes": [{"role": mode} for mode in modes]})


def _aimed(kind: str, fault: Fault, quorum: Quorum, statuses: Sequence[NodeStatus]) -> list[int]:
    """Return the nodes that a fault is about now."""
    observers = [seen.node for seen in statuses if seen.mode == "observer"]
    cluster = _cluster(statuses)
    complaint = roles.complaint_of_target(fault.target, cluster, {}, alone=fault.of_host)
    if complaint is not None:
        raise ScenarioError(f"{kind}: {complaint}")
    nodes = roles.resolve(fault.target, statuses, {}, Random(), observers)
    if not nodes and fault.target != []:
        raise TargetError(f"{kind}: expected a node that is {fault.target!r} now, got none")
    if not fault.of_host:
        return nodes
    hosts = {id: node.host for id, node in quorum.nodes.items()}
    if len(set(hosts.values())) < 2:
        raise ScenarioError(f"{kind}: expected a quorum on several hosts, got all nodes on one")
    return [id for id, host in hosts.items() if host == hosts[nodes[0]]]


def _held(entry: Mapping[str, Any]) -> budget.Held:
    slot = faults[entry["fault"]].slot
    return budget.Held(name=entry["name"], slot=slot, nodes=entry["nodes"])
