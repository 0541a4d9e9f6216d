"""Entries of the undo ledger: what any process needs to heal a fault, whichever injected it."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import pydantic

from harness.common.harness_errors import ScenarioError, TargetError, expected_one_of
from harness.faults import Fault, description, faults
from harness.target import Clients, Ledger, Quorum, System
from harness.workers.running_clients import NO_CLIENTS


def entry(
    fault: Fault,
    *,
    id: int,
    name: str,
    kind: str,
    nodes: Sequence[int],
    clients: Sequence[int] = (),
    due_s: float | None = None,
) -> dict[str, Any]:
    """Return the entry of an injection: the fault's registered name and settings, and its targets.

    `id` identifies the entry in the ledger; `name` is the fault's name in the scenario. `due_s` is
    the machine's uptime at which the fault should end; None if that is not known.
    """
    return {
        "id": id,
        "name": name,
        "fault": kind,
        "settings": asdict(fault),  # type: ignore[call-overload]
        "nodes": nodes,
        "clients": clients,
        "due_s": due_s,
    }


def due_s(hold_s: float | None) -> float | None:
    """Return the machine's uptime when a fault is to end that begins now; None if never."""
    return None if hold_s is None else time.clock_gettime(time.CLOCK_BOOTTIME) + hold_s


def told(entry: Mapping[str, Any], everyone: Iterable[int], up_s: float) -> str:
    """Return an entry in words: `kill+wipe node 5, ends in 43 s`.

    `everyone` are the quorum's nodes, and `up_s` is how long the machine has been up.
    """
    kind, nodes = str(entry["fault"]), entry["nodes"]
    modes = dict.fromkeys(map(str, everyone), "")
    try:
        what = fault_of(kind, entry["settings"]).describe(kind, nodes, modes)
    except ScenarioError:  # of another checkout
        what = f"{kind} {description.nodes(nodes, modes)}"
    due_s = entry.get("due_s") or entry.get("until_s")
    if due_s is None:
        until = "until it is healed"
    elif due_s > up_s:
        until = f"ends in {due_s - up_s:.0f} s"
    else:
        until = f"was to end {up_s - due_s:.0f} s ago"
    return f"{description.named(what, kind, str(entry['name']))}, {until}"


def heal(
    quorum: Quorum,
    ledger: Ledger,
    entries: Iterable[Mapping[str, Any]],
    clients: Clients = NO_CLIENTS,
) -> list[str]:
    """Undo these entries of a ledger, newest first; return their names.

    Raises:
        TargetError: one could not be undone, or is of another checkout, which has faults that are
            not here; it stays in the ledger.
    """
    healed = []
    for each in reversed(list(entries)):
        try:
            fault = fault_of(each["fault"], each["settings"])
        except ScenarioError as error:
            raise TargetError(
                f"{each['name']}: expected a fault that this checkout knows, got one that another "
                f"has injected ({error}); `harness heal` from there ends it, or `harness down`"
            ) from error
        system = System(quorum=quorum, clients=clients, chosen=each.get("clients", ()))
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
        raise ScenarioError(_told(kind, error.errors()[0])) from None


def _told(kind: str, first: Mapping[str, Any]) -> str:
    """Return what is wrong with a fault's settings, as loading a scenario would."""
    place = ".".join(map(str, [kind, *first["loc"]]))
    if first["type"] == "unexpected_keyword_argument":
        known = [field.name for field in fields(faults[kind])]  # type: ignore[arg-type]
        return f"{kind}: {expected_one_of(known or ['no settings'], str(first['loc'][-1]))}"
    if first["type"] == "missing":
        return f"{place}: expected this setting, got none"
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}"
    return (
        f"{place}: expected {first['msg'].removeprefix('Input should be ')}, got {first['input']!r}"
    )
