"""The guard of a priority: the node whose version each put checks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from zkmq.errors import IncompatibleTreeError
from zkmq.tree import item_names
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Denied, GetChildren, GetData, Store, Znode

NO_SEGMENT = -1
LAST_SEGMENT = 10**10 - 1
MAX_SHOWN = 100


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


def read_guards(
    store: Store, tree: QueueTree, priorities: Sequence[int], deadline_s: float, *, denied: Denied
) -> dict[int, tuple[Guard | None, list[str]]]:
    """Read the guard and the children of priorities, in one request.

    Leaves out priorities that do not exist, and those that may not be read, with whose paths it
    calls `denied`. A damaged guard is None.
    """
    paths = [tree.priority(priority) for priority in priorities]
    reads = [read for path in paths for read in (GetData(path), GetChildren(path))]
    answers = iter(store.read_many(reads, deadline_s, denied=denied).results)
    found: dict[int, tuple[Guard | None, list[str]]] = {}
    for priority in priorities:
        node, children = next(answers), next(answers)
        if isinstance(node, Znode) and isinstance(children, list):
            found[priority] = (Guard.read(node.data, node.version), children)
    return found
