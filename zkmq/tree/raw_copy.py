"""Find the items in a raw copy of a tree, for people and tools that have only the nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zkmq.tree import envelope, item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import last_part


@dataclass(slots=True)
class Places:
    """The items of a tree by place: (priority, payload) pairs, in the order of their names."""

    items: list[tuple[int, bytes]] = field(default_factory=list)
    claims: list[tuple[int, bytes]] = field(default_factory=list)
    partial: list[tuple[int, bytes]] = field(default_factory=list)
    dead: list[tuple[int, bytes]] = field(default_factory=list)
    delayed: list[tuple[int, bytes]] = field(default_factory=list)
    purged: list[tuple[int, bytes]] = field(default_factory=list)


def decode(nodes: Mapping[str, bytes], root: str = "/queue") -> Places:
    """Sort a raw copy of the tree (absolute path -> data) into places. O(n log n)."""
    places = Places()
    guards = _guards(nodes, root)
    for path in sorted(nodes, key=last_part):
        if not path.startswith(f"{root}/"):
            continue
        parts = path[len(root) + 1 :].split("/")
        place = _place(parts, guards)
        if place is None:
            continue
        header, payload = envelope.unwrap(nodes[path])
        getattr(places, place).append((_priority(parts[-1], header), payload))
    return places


def _guards(nodes: Mapping[str, bytes], root: str) -> dict[str, Guard]:
    parent = f"{root}/items/"
    return {
        path[len(parent) :]: guard
        for path, data in nodes.items()
        if path.startswith(parent)
        and item_names.priority(path[len(parent) :]) is not None
        and (guard := Guard.read(data, 0)) is not None
    }


def _place(parts: list[str], guards: Mapping[str, Guard]) -> str | None:
    match parts:
        case ["items", priority, segment, name] if priority in guards:
            return _place_in_priority(guards[priority], int(priority), segment, name)
        case ["items", name] if item_names.parse(name):
            return "items"
        case ["consumers", _, "item", name] if item_names.parse(name):
            return "claims"
        case ["partial" | "dead" as place, name] if item_names.parse(name):
            return place
        case ["delayed", minute, name] if item_names.buckets([minute]) and item_names.is_delayed(
            name
        ):
            return "delayed"
        case _:
            return None


def _place_in_priority(guard: Guard, priority: int, segment: str, name: str) -> str | None:
    if not item_names.segments([segment]) or not item_names.items([name], priority):
        return None
    return "items" if guard.waiting([segment]) else "purged"


def _priority(name: str, header: envelope.Header) -> int:
    parsed = item_names.parse(name)
    return parsed.priority if parsed else int(header.get("priority", 100))
