"""Say in a few words what a fault does to whom: `kill+wipe node 5 (leader)`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from harness.target import Target

Modes = Mapping[str, str]
"""Each node's mode before the fault, by its number as text: `before` in the evidence."""


def named(what: str, kind: str, name: str) -> str:
    """Put a fault's own name before what it does; a default name such as `kill-2` is left out."""
    return what if re.fullmatch(rf"{re.escape(kind)}(-\d+)?", name) else f"{name}: {what}"


def changed_settings(fault: Any) -> str:
    """Return ` key value, ...` for the fields that differ from their defaults, but the target."""
    told = []
    for field in fields(fault):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        value = getattr(fault, field.name)
        if field.name != "target" and value != default:
            told.append(
                f"{field.name} {value:g}" if isinstance(value, float) else f"{field.name} {value}"
            )
    return f" {', '.join(told)}" if told else ""


_ROLES = {
    "all": "all nodes",
    "any": "any node",
    "follower": "a follower",
    "half": "half of the nodes",
    "leader": "the leader",
    "observer": "an observer",
    "observers": "the observers",
    "majority": "a majority",
    "minority": "a minority",
}


def nodes(ids: Sequence[int], modes: Modes) -> str:
    """Return `node 5 (leader)`, `nodes 1, 5 (leader 5)` or `all 5 nodes`; empty for none."""
    if len(ids) > 1 and {str(id) for id in ids} == set(modes):
        return f"all {len(ids)} nodes"
    if len(ids) == 1:
        mode = modes.get(str(ids[0]))
        return f"node {ids[0]} ({mode})" if mode else f"node {ids[0]}"
    return f"nodes {', '.join(map(str, ids))}{leader(ids, modes)}" if ids else ""


def leader(ids: Iterable[int], modes: Modes) -> str:
    """Return ` (leader 5)` if one of the nodes led; else nothing."""
    led = [id for id in ids if modes.get(str(id)) == "leader"]
    return f" (leader {led[0]})" if led else ""


def target(aim: Target) -> str:
    """Return a target as a scenario names it, for a fault that has not met any node yet."""
    if isinstance(aim, dict):
        return f"node {aim['node']}"
    return _ROLES.get(aim, aim) if isinstance(aim, str) else ", ".join(map(target, aim))


def sides(parts: Iterable[Iterable[int | str]]) -> str:
    """Return groups that do not hear each other: `{5,4,3} | {2,1}`."""
    return " | ".join("{" + ",".join(map(str, part)) + "}" for part in parts)
