"""Faults without a run: injected into a quorum that is up, noted in its ledger, healed from there.

The process that injects ends at once, so nothing renews a lease: rules end by themselves when
`for_s` is over, and everything else when somebody heals what the ledger holds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from random import Random
from typing import Any

import pydantic

from harness.faults import Fault, faults
from harness.harness_errors import ScenarioError, TargetError
from harness.scenario import budget, roles
from harness.target import Evidence, Ledger, Quorum, System
from harness.workers.running_clients import NoClients


def fault_of(kind: str, settings: Mapping[str, Any]) -> Fault:
    """Return a fault with its settings, as strictly as a scenario's.

    Raises:
        ScenarioError: no fault has this name, or not these settings.
    """
    adapter: pydantic.TypeAdapter[Fault] = pydantic.TypeAdapter(faults[kind])
    try:
        # As JSON, since strict validation takes a mapping for a dataclass only from there.
        return adapter.validate_json(json.dumps(dict(settings)))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, [kind, *first["loc"]]))
        raise ScenarioError(f"{place}: {first['msg']}, got {first['input']!r}") from None


def inject(
    quorum: Quorum,
    kind: str,
    settings: Mapping[str, Any],
    *,
    id: int,
    in_force: Sequence[Mapping[str, Any]],
    until_s: float,
) -> tuple[list[int], Evidence, bool]:
    """Inject a fault now; return whom it hit, what was observed, and whether it bit.

    Args:
        quorum: the one to hurt.
        kind: the fault's registered name; `settings` are its fields.
        settings: as in a scenario.
        id: its number in the ledger.
        in_force: the ledger's open entries.
        until_s: the machine's uptime at which its time is over.

    Raises:
        ScenarioError: no such fault or target, or one in force leaves no room for it.
        TargetError: it could not be done.
    """
    fault = fault_of(kind, settings)
    statuses = quorum.statuses()
    complaint = roles.complaint_of_target(fault.target, len(statuses), {})
    if complaint is not None:
        raise ScenarioError(f"{kind}: {complaint}")
    nodes = roles.resolve(fault.target, statuses, {}, Random())
    if not nodes and fault.target != []:
        raise TargetError(f"{kind}: expected a node that is {fault.target!r} now, got none")
    others = [_held(entry) for entry in in_force]
    if (held := budget.excluder(fault, nodes, others)) is not None:
        raise ScenarioError(f"{kind}: expected no {held.name!r} in force; `harness heal` ends it")
    entry = {
        "id": id,
        "name": kind,
        "fault": kind,
        "settings": asdict(fault),  # type: ignore[call-overload]
        "nodes": nodes,
    }
    quorum.ledger.begin(entry)
    evidence = fault.inject(System(quorum=quorum, clients=NoClients()), nodes)
    if fault.lasting:
        quorum.ledger.begin({**entry, "until_s": until_s})
    else:
        quorum.ledger.end(id)
    return nodes, evidence, fault.bit(evidence)


def heal(quorum: Quorum, ledger: Ledger, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Undo these entries of a ledger, newest first; return their names.

    Raises:
        TargetError: one could not be undone; it stays in the ledger.
    """
    healed = []
    for entry in reversed(list(entries)):
        fault = fault_of(entry["fault"], entry["settings"])
        chosen = entry.get("clients", ())
        fault.heal(System(quorum=quorum, clients=NoClients(), chosen=chosen), entry["nodes"])
        ledger.end(entry["id"])
        healed.append(str(entry["name"]))
    return healed


def _held(entry: Mapping[str, Any]) -> budget.Held:
    slot = faults[entry["fault"]].slot
    return budget.Held(name=entry["name"], slot=slot, nodes=entry["nodes"])
