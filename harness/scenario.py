"""Load a scenario file: strictly, and with file, line and key in every complaint."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from harness import document, roles, schema
from harness.document import Document
from harness.errors import ScenarioError
from harness.schema import FaultEntry, Phase, Scenario

__all__ = ["Scenario", "load"]


def load(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ScenarioError: it is not one; `file:line: key: expected X, got Y`.
    """
    file = document.load(path)
    data = _with_phases(file)
    try:
        # As JSON, since strict validation takes a mapping for a dataclass only from there.
        scenario = schema.model().model_validate_json(json.dumps(data, default=str))
    except pydantic.ValidationError as error:
        raise _first_complaint(file, error) from None
    for place, complaint in _complaints(scenario):
        raise file.error(_place_in_file(file, place), complaint)
    return scenario


def _with_phases(file: Document) -> dict[str, Any]:
    """Return the data with its one phase spelled out where the file leaves the list away."""
    short = {k: v for k, v in file.data.items() if k in {"workload", "faults", "mix_s"}}
    if "phases" in file.data:
        if short:
            key = next(iter(short))
            raise file.error((key,), "expected it inside a phase, got it beside `phases`")
        return file.data
    rest = {k: v for k, v in file.data.items() if k not in short}
    return rest | {"phases": [short]}


def _place_in_file(file: Document, place: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop `phases[0]` from a place if the file has no such list."""
    steps = tuple(place)
    return steps[2:] if "phases" not in file.data and steps[:1] == ("phases",) else steps


def _first_complaint(file: Document, error: pydantic.ValidationError) -> ScenarioError:
    first = error.errors()[0]
    steps = _place_in_file(file, first["loc"])
    place = _steps_in_file(file, steps)
    if first["type"] == "missing":
        place = (*place, steps[-1])
    return file.error(place, _sentence(first, place))


def _steps_in_file(file: Document, place: Sequence[str | int]) -> tuple[str | int, ...]:
    """Drop what is not in the file: pydantic adds it to tell the members of a union apart."""
    known: tuple[str | int, ...] = ()
    for step in place:
        known = (*known, step) if (*known, step) in file.lines else known
    return known


def _sentence(complaint: Mapping[str, Any], place: Sequence[str | int]) -> str:
    got = complaint.get("input")
    kind = complaint["type"]
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"expected a known key ({_known_keys(place)}), got {str(place[-1])!r}"
    if kind == "missing":
        return "expected this key, got none"
    if kind == "value_error":
        return str(complaint["ctx"]["error"])
    told = complaint["msg"].removeprefix("Input should be ")
    told = f"a value {told}" if told.startswith(("greater", "less")) else told
    return f"expected {told}, got {got!r}"


def _known_keys(place: Sequence[str | int]) -> str:
    """Return the keys that may stand where an unknown one does, by the JSON Schema."""
    whole = schema.json_schema()
    node: dict[str, Any] = whole
    for step in place[:-1]:
        node = _descend(whole, node, step)
    return ", ".join(sorted(_deref(whole, node).get("properties", {}))) or "none"


def _descend(whole: dict[str, Any], node: dict[str, Any], step: str | int) -> dict[str, Any]:
    node = _deref(whole, node)
    if isinstance(step, int):
        return dict(node.get("items", {}))
    return dict(node.get("properties", {}).get(step, {}))


def _deref(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", []):
        if "$ref" in option:
            node = option
    if "$ref" in node:
        return dict(whole["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def _complaints(scenario: Scenario) -> Iterator[tuple[Sequence[str | int], str]]:
    """Give what no single key can tell: names that refer to nothing, mixes that cannot be."""
    for number, name in enumerate(scenario.checkers or []):
        if name not in schema.known_checkers():
            known = ", ".join(schema.known_checkers())
            yield ("checkers", number), f"expected one of {known}, got {name!r}"
    if scenario.because is not None and scenario.expect != "invalid":
        yield ("because",), f"expected `expect: invalid` beside it, got {scenario.expect!r}"
    if not list(scenario.workloads):
        yield ("workload",), "expected at least one workload, got none"
    for name, role in scenario.bind.items():
        if (complaint := roles.complaint_of_binding(role)) is not None:
            yield ("bind", name), complaint
    for number, phase in enumerate(scenario.phases):
        for place, complaint in _complaints_of_phase(scenario, phase):
            yield ("phases", number, *place), complaint


def _complaints_of_phase(
    scenario: Scenario, phase: Phase
) -> Iterator[tuple[Sequence[str | int], str]]:
    yield from _waits(phase)
    names = [entry.name or entry.kind for entry in phase.faults]
    for number, entry in enumerate(phase.faults):
        place = ("faults", number)
        yield from ((place + where, what) for where, what in _of_fault(scenario, phase, entry))
        yield from ((place + where, what) for where, what in _of_first(phase, entry))
        yield from ((place + where, what) for where, what in _of_names(scenario, entry))
        if entry.after is not None and entry.after not in names[:number]:
            known = ", ".join(names[:number]) or "none (it is the first)"
            yield (*place, "after"), f"expected a fault above it ({known}), got {entry.after!r}"


def _waits(phase: Phase) -> Iterator[tuple[Sequence[str | int], str]]:
    """Check that each workload's `after` names another one, without a circle."""
    waits = {entry.kind: entry.workload.after for entry in phase.workload}
    for number, entry in enumerate(phase.workload):
        place = ("workload", number, entry.kind, "after")
        after = entry.workload.after
        if after is not None and after not in waits:
            yield place, f"expected a workload of this phase ({', '.join(waits)}), got {after!r}"
        elif after is not None and _circular(waits, entry.kind):
            yield place, f"expected no circle, got {entry.kind!r} waiting for itself"


def _circular(waits: Mapping[str, str | None], start: str) -> bool:
    seen: set[str] = set()
    step: str | None = start
    while step is not None and step not in seen:
        seen.add(step)
        step = waits.get(step)
    return step is not None


def _of_fault(
    scenario: Scenario, phase: Phase, entry: FaultEntry
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if entry.fault is not None and (target := getattr(entry.fault, "target", None)) is not None:
        complaint = roles.complaint_of_target(target, scenario.cluster.nodes, scenario.bind)
        if complaint is not None:
            yield (entry.kind, "target"), complaint
    if entry.at is not None:
        for what in ("acknowledged", "invoked"):
            wanted, reach = getattr(entry.at, what), _reach(phase)
            if wanted is not None and reach is not None and wanted > reach:
                yield ("at", what), f"expected at most {reach}, the phase's puts, got {wanted}"
    if entry.every_s is not None and (entry.hold_s or 0) + entry.jitter_s >= entry.every_s:
        yield (
            ("every_s",),
            (
                f"expected more than the time the fault lasts and its jitter "
                f"({(entry.hold_s or 0) + entry.jitter_s:g} s), got {entry.every_s:g}"
            ),
        )


def _of_first(phase: Phase, entry: FaultEntry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Refuse a first time after the phase: a fault that is never planned is never missed."""
    elapsed_s = entry.at.elapsed_s if entry.at is not None else None
    every_s = entry.every_s if entry.at is None and entry.first_s is None else None
    times = {("first_s",): entry.first_s, ("at", "elapsed_s"): elapsed_s, ("every_s",): every_s}
    for where, first_s in times.items():
        if first_s is not None and first_s > phase.limit_s:
            yield (
                where,
                f"expected at most {phase.limit_s:g}, the phase's limit_s, got {first_s:g}",
            )


def _of_names(scenario: Scenario, entry: FaultEntry) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Check what an entry says of other faults and of nodes."""
    if entry.heal is not None:
        names = {e.name or e.kind for p in scenario.phases for e in p.faults} - {"heal"}
        known = ["never"] if entry.fault is not None else ["all", *sorted(names)]
        if entry.heal not in known:
            yield ("heal",), f"expected one of {', '.join(known)}, got {entry.heal!r}"
    if entry.until is not None:
        node = entry.until.node
        nodes = range(1, scenario.cluster.nodes + 1)
        if node not in scenario.bind and node not in nodes:
            known = [*scenario.bind, f"1..{nodes[-1]}"]
            yield ("until", "node"), f"expected one of {', '.join(known)}, got {node!r}"


def _reach(phase: Phase) -> int | None:
    """Return how many puts the phase can acknowledge; None where a workload has no end."""
    reaches = [entry.workload.reach() for entry in phase.workload]
    return None if None in reaches else sum(r for r in reaches if r is not None)
