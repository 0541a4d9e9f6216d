"""The place to which an item returns: its own place in the order, under its next name."""

from collections.abc import Iterable

from zkmq.putting.tail_segments import TailSegments
from zkmq.tree import item_names
from zkmq.tree.bounded_set import BoundedSet
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree, last_part
from zkmq.zookeeper.store import CheckVersion, Code, Create, Op


class ReturnPlaces:
    """Builds the operations that put items back, and learns from refusals.

    An item returns to the segment it came from. If that was dropped or purged, the item returns to
    a segment of returns (`<segment>r`) that sorts right after it, into which no producer puts. A
    dropped segment is never made again, because its numbers would start again from 0. Each return
    also checks the guard, so that no purge comes between the decision and the return.
    """

    def __init__(self, tree: QueueTree, tails: TailSegments) -> None:
        self._tree = tree
        self._tails = tails
        self._gone = BoundedSet()
        self._made = BoundedSet()
        # Paths for returns at which a foreign node exists.
        self._taken = BoundedSet()

    def returns(self, items: Iterable[tuple[str, bytes]], deadline_s: float) -> list[Op]:
        """Operations that put items, given as (present name, data), back under their next names."""
        checks: dict[int, Guard] = {}
        creates: list[Op] = []
        making: set[str] = set()
        for name, data in items:
            parsed = item_names.parse(name)
            assert parsed is not None
            parent = self._tree.items
            if parsed.segment is not None:
                guard = self._tails.guard(parsed.priority, deadline_s)
                checks[parsed.priority] = guard
                parent = self._parent(parsed, guard)
                if parent.endswith("r") and parent not in self._made and parent not in making:
                    making.add(parent)
                    creates.append(Create(parent))
            creates.append(Create(self.next_path(parent, name), data))
        guarding = [op for number, guard in checks.items() for op in self._checks(number, guard)]
        return [*guarding, *creates]

    def find(self, name: str, deadline_s: float) -> None:
        """Make sure that an item has a place to return to.

        Raises:
            IncompatibleTreeError: the guard of its priority is damaged.
            OutdatedClientError: this client may not read the tree any more.
        """
        parsed = item_names.parse(name)
        if parsed is not None and parsed.segment is not None:
            self._tails.guard(parsed.priority, deadline_s)

    def next_path(self, parent: str, name: str) -> str:
        """The path for an item below `parent`, under its next name that is not known as taken."""
        path = f"{parent}/{item_names.next_generation(name)}"
        while path in self._taken:
            path = f"{parent}/{item_names.next_generation(path.rpartition('/')[2])}"
        return path

    def learn(self, op: Op, code: Code) -> bool:
        """Learn why an operation was refused; False if it is none of this class."""
        match op, code:
            case CheckVersion(path, _), Code.BAD_VERSION | Code.NO_NODE:
                return self._tails.learn(op, code)
            case Create(path, _, _, False), Code.NODE_EXISTS if item_names.parse(last_part(path)):
                self._taken.add(path)
            case Create(path, b"", False, False), Code.NODE_EXISTS if path.endswith("r"):
                self._made.add(path)
            case Create(path, _, _, False), Code.NO_NODE if path.startswith(self._tree.items):
                segment = path.rpartition("/")[0]
                self._gone.add(segment)
                self._made.discard(segment)
            case _:
                return False
        return True

    def _checks(self, priority: int, guard: Guard) -> list[Op]:
        """Check that the guard is unchanged, and that the priority was not parked in between."""
        tail = self._tree.segment(priority, guard.tail_name)
        return [self._tails.check(priority, guard), CheckVersion(tail, 0)]

    def _parent(self, name: item_names.ItemName, guard: Guard) -> str:
        segment = guard.return_segment(name)
        path = self._tree.segment(name.priority, segment)
        if path in self._gone and not segment.endswith("r"):
            return self._tree.segment(name.priority, item_names.returns_name(segment))
        return path
