"""What each key of a scenario means, read from the schema: pure functions for people's pages.

The schema is the only source: `harness explain`, docs/scenarios.md and an editor's help agree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.scenario import schema

REQUIRED = "required"
MOST_LISTED = 12  # words of a type that its description lists
FILE = "scenario"
"""The part that is the file itself."""
_UNITS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_mb": "MB",
    "_kbit": "kbit/s",
    "_hz": "per second",
    "_bytes": "bytes",
    "percent": "percent",
}
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: where it stands, and all that there is to say of it.

    Attributes:
        place: how people call it, such as `kill.wipe` or `cluster.nodes`.
        unit: empty for a key without one.
        default: as YAML has it; `required` for none.
    """

    place: str
    type: str
    default: str
    unit: str
    meaning: str


def keys(place: str) -> list[Key]:
    """Return the keys of a part of a scenario (`scenario` is the file itself), required ones first.

    Raises:
        KeyError: no part has this name.
    """
    node = _parts()[place]
    required = node.get("required", ())
    found = [
        _key(name if place == FILE else f"{place}.{name}", name, about, name in required)
        for name, about in node.get("properties", {}).items()
        if not (place in _ENTRIES and name in _entries(place))
    ]
    return sorted(found, key=lambda key: key.default != REQUIRED)


def parts() -> list[str]:
    """Return all names that `keys` takes."""
    return list(_parts())


def meaning(place: str) -> str:
    """Return what a part of a scenario is, in its own words."""
    return str(_parts()[place].get("description", ""))


def markdown(place: str) -> str:
    """Return the table of docs/scenarios.md for a part of a scenario."""
    lines = ["| key | meaning | type | default |", "|---|---|---|---|"]
    for key in keys(place):
        unit = f", in {key.unit}" if key.unit else ""
        name = key.place.removeprefix(f"{place}.")
        lines.append(f"| `{name}` | {key.meaning} | {key.type}{unit} | {key.default} |")
    return "\n".join(lines)


SHARED = frozenset(
    {
        FILE,
        "phase",
        "at",
        "log",
        "at.failpoint",
        "cluster.nodes",
        "until",
        "workload entry",
        "fault entry",
    }
)
"""Parts whose name stands in no file, or not in the line of their keys."""
_ENTRIES = {"workload entry": "WorkloadEntryOf", "fault entry": "FaultEntryOf"}
_NAMED = {
    "cluster": "QuorumConfig",
    "cluster.nodes": "NodeConfig",
    "phase": "PhaseOf",
    "availability": "AvailabilityBound",
    "at": "Trigger",
    "log": "LogLine",
    "at.failpoint": "AtFailpoint",
    "until": "Until",
    **_ENTRIES,
}


def _parts() -> dict[str, Mapping[str, Any]]:
    whole = schema.json_schema()
    found: dict[str, Mapping[str, Any]] = {FILE: whole}
    found |= {name: whole["$defs"][kind] for name, kind in _NAMED.items()}
    for entry in _ENTRIES:
        for name, about in _entries(entry).items():
            found[name] = _resolved(about)
    return found


def _entries(entry: str) -> dict[str, Mapping[str, Any]]:
    """Return the workloads, or the faults, of which an entry has one."""
    properties = schema.json_schema()["$defs"][_ENTRIES[entry]]["properties"]
    common = schema.FaultEntry.model_fields if entry == "fault entry" else ()
    return {name: about for name, about in properties.items() if name not in common}


def _resolved(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and leave out the null of a key that may be missing."""
    for one in (about, *about.get("anyOf", ())):
        if "$ref" in one:
            found: Mapping[str, Any] = schema.json_schema()["$defs"][one["$ref"].rsplit("/", 1)[1]]
            return found
    return next((one for one in about.get("anyOf", ()) if one.get("type") != "null"), about)


def _key(place: str, name: str, about: Mapping[str, Any], required: bool) -> Key:  # noqa: FBT001
    told = [suffix for suffix in _UNITS if name.endswith(suffix)]
    return Key(
        place=place,
        type=" or ".join(dict.fromkeys(_types(about))),
        default=REQUIRED if required else _default(about.get("default")),
        unit=_UNITS[told[0]] if told else "",
        meaning=" ".join(str(about.get("description") or _resolved(about)["description"]).split()),
    )


def _types(about: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in about:
        yield from _types(_resolved(about))
    elif "anyOf" in about or "oneOf" in about:
        for one in about.get("anyOf") or about["oneOf"]:
            yield from _types(one)
    elif "enum" in about:
        words = about["enum"]
        few = len(words) <= MOST_LISTED
        yield from (f"`{word}`" for word in words) if few else [f"one of {len(words)} names"]
    elif "const" in about:
        yield f"`{about['const']}`"
    elif about.get("type") == "array":
        of = " or ".join(dict.fromkeys(_types(about.get("items", {}))))
        yield f"list of {of}" if of else "list"
    elif about.get("type") == "object":
        yield "mapping"
    elif about.get("type") == "null":
        return
    elif about.get("type") not in _WORDS:
        yield "text or mapping"
    else:
        yield _WORDS[about["type"]] + _bounds(about)


def _bounds(about: Mapping[str, Any]) -> str:
    least, most = about.get("minimum"), about.get("maximum")
    above = about.get("exclusiveMinimum")
    low = (
        f"from {least:g}" if least is not None else f"above {above:g}" if above is not None else ""
    )
    high = f"to {most:,g}" if most is not None and most < 1e6 else ""
    return "".join(f" {word}" for word in (low, high) if word)


def _default(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | dict():
            return (
                "none"
                if not value
                else "its own defaults"
                if isinstance(value, dict)
                else str(value)
            )
    return str(value)
