"""Paths of a queue's tree, its guards, and a reader for raw copies of the tree.

/queue                      {"zkmq": 1, "min_reader": 1, "min_writer": 1, "features": [], ...}
  /items/100                {"tail": 3, "purged": -1}; its version guards the tail
    /0000000003/item-…      waiting, in the order of the names
  /consumers/<id>/active    ephemeral; its version counts the consumer's operations
                 /item/…    held
  /producers/<id>           its version counts the producer's operations
  /partial /dead /delayed   interrupted, given up, not yet due
  /parked/100               the guard of a priority that nobody has used for an hour
  /dedup /waiting /gc-lock
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from zkmq.errors import IncompatibleTreeError
from zkmq.tree import envelope, item_names

NO_SEGMENT = -1
LAST_SEGMENT = 10**10 - 1
MAX_SHOWN = 100
ACTIVE = "active"
LOCK = "gc-lock"
FIXED = (
    "items",
    "consumers",
    "producers",
    "partial",
    "dead",
    "delayed",
    "dedup",
    "waiting",
    "clock",
    "parked",
)


@dataclass(frozen=True, slots=True)
class Guard:
    """The data of items/<priority>: the segment to put into, and the last segment purged.

    `version` is the node's version. A multi that checks it takes effect before any later roll or
    purge, or not at all.
    """

    tail: int
    purged: int = NO_SEGMENT
    version: int = 0

    @classmethod
    def decode(cls, data: bytes, version: int) -> "Guard":
        """Decode a guard. A bare number is a tail; plain REST clients may write that.

        Raises:
            IncompatibleTreeError: the data is no guard.
        """
        guard = cls.read(data, version)
        if guard is None:
            raise IncompatibleTreeError(
                "items/<priority>: expected JSON with tail and purged, "
                f"got {data[:MAX_SHOWN]!r}; mend the node's data, or use another priority"
            )
        return guard

    @classmethod
    def read(cls, data: bytes, version: int) -> "Guard | None":
        """Decode a guard; None if the data is no guard, for callers that can skip the priority."""
        try:
            value = json.loads(data or b"0")
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            value = {"tail": value}
        tail, purged = value.get("tail"), value.get("purged", NO_SEGMENT)
        if type(tail) is not int or type(purged) is not int:
            return None
        if not 0 <= tail <= LAST_SEGMENT or not NO_SEGMENT <= purged <= LAST_SEGMENT:
            return None
        return cls(tail, purged, version)

    def encode(self) -> bytes:
        """Encode both numbers. A writer that kept only `tail` would bring purged items back."""
        return json.dumps({"tail": self.tail, "purged": self.purged}).encode()

    @property
    def tail_name(self) -> str:
        """The name of the segment that producers put into."""
        return item_names.segment_name(self.tail)

    def waiting(self, segments: list[str]) -> list[str]:
        """Of a priority's children, the segments that are not purged, in order."""
        live = item_names.segments(segments)
        if self.purged == NO_SEGMENT:
            return live
        purged = item_names.segment_name(self.purged)
        return [segment for segment in live if segment > purged]

    def return_segment(self, name: item_names.ItemName) -> str:
        """The segment to which an item returns: its own, or after a purge the one for survivors."""
        assert name.segment is not None
        if name.segment <= self.purged:
            return item_names.returns_name(item_names.segment_name(self.purged))
        return item_names.segment_name(name.segment)


@dataclass(frozen=True, slots=True)
class QueueTree:
    """The paths of one queue below its root."""

    root: str

    @property
    def items(self) -> str:
        """Parent of the priorities."""
        return f"{self.root}/items"

    @property
    def consumers(self) -> str:
        """Parent of the registrations."""
        return f"{self.root}/consumers"

    @property
    def producers(self) -> str:
        """Parent of the producers' tickets."""
        return f"{self.root}/producers"

    @property
    def lock(self) -> str:
        """The elected janitor's ephemeral node."""
        return f"{self.root}/{LOCK}"

    @property
    def clock(self) -> str:
        """The node that the elected janitor writes to learn the servers' time."""
        return f"{self.root}/clock"

    def place(self, kind: str) -> str:
        """A child of the root, such as `partial`, `dead`, `delayed`, `dedup` or `waiting`."""
        return f"{self.root}/{kind}"

    def priority(self, priority: int) -> str:
        """The guard of one priority, parent of its segments."""
        return f"{self.root}/items/{priority:03d}"

    def parked(self, priority: int) -> str:
        """The guard of a priority while it is parked."""
        return f"{self.root}/parked/{priority:03d}"

    def segment(self, priority: int, segment: str) -> str:
        """One segment of a priority, by its name."""
        return f"{self.root}/items/{priority:03d}/{segment}"

    def consumer(self, consumer: str) -> str:
        """The registration of one consumer."""
        return f"{self.root}/consumers/{consumer}"

    def active(self, consumer: str) -> str:
        """The ephemeral node that fences and counts a consumer's operations."""
        return f"{self.consumer(consumer)}/{ACTIVE}"

    def claims(self, consumer: str) -> str:
        """Parent of the claims of a consumer."""
        return f"{self.root}/consumers/{consumer}/item"

    def claim(self, consumer: str, name: str) -> str:
        """The claim of one held item."""
        return f"{self.root}/consumers/{consumer}/item/{name}"


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
    for path in sorted(nodes, key=lambda path: path.rpartition("/")[2]):
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
