"""Entries of the undo ledger: what any process needs to heal a fault, whichever injected it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pydantic

from harness.common.harness_errors import ScenarioError
from harness.faults import Fault, faults
from harness.target import Ledger, Quorum, System
from harness.workers.running_clients import NoClients


def entry(
    fault: Fault,
    *,
    id: int,
    name: str,
    kind: str,
    nodes: Sequence[int],
    clients: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the entry of an injection: the fault's registered name and settings, and its targets.

    `id` is the entry's own in the ledger; `name` is the fault's in the scenario.
    """
    return {
        "id": id,
        "name": name,
        "fault": kind,
        "settings": asdict(fault),  # type: ignore[call-overload]
        "nodes": nodes,
        "clients": clients,
    }


def heal(quorum: Quorum, ledger: Ledger, entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Undo these entries of a ledger, newest first; return their names.

    Raises:
        TargetError: one could not be undone; it stays in the ledger.
    """
    healed = []
    for each in reversed(list(entries)):
        fault = fault_of(each["fault"], each["settings"])
        system = System(quorum=quorum, clients=NoClients(), chosen=each.get("clients", ()))
        fault.heal(system, each["nodes"])
        ledger.end(each["id"])
        healed.append(str(each["name"]))
    return healed


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
