"""Where an item goes back to: its own place in the order, under its next name."""

from collections.abc import Iterable

from zkmq import names
from zkmq.errors import IncompatibleTreeError
from zkmq.store import Check, Code, Create, GetData, Node, Op, Store
from zkmq.tree import Guard, Tree


class Homes:
    """Builds the operations that put items back, and learns from refusals.

    An item returns to the segment it came from. If that was dropped, or purged, it returns to
    one of its own kind right after it, to which nobody puts: a segment's name is never used
    twice, because its numbers would start again. The guard is demanded, so that no purge can
    come between the decision and the return.
    """

    def __init__(self, store: Store, tree: Tree) -> None:
        self._store = store
        self._tree = tree
        self._guards: dict[int, Guard] = {}
        self._gone: set[str] = set()
        self._made: set[str] = set()

    def returns(self, items: Iterable[tuple[str, bytes]], deadline_s: float) -> list[Op]:
        """Operations that put (current name, data) back in place, each under its next name."""
        checks: dict[int, Op] = {}
        creates: list[Op] = []
        making: set[str] = set()
        for name, data in items:
            parsed = names.parse(name)
            assert parsed is not None
            parent = self._tree.items
            if parsed.segment is not None:
                guard = self._guard(parsed.priority, deadline_s)
                checks[parsed.priority] = Check(self._tree.priority(parsed.priority), guard.version)
                parent = self._parent(parsed, guard)
                if parent.endswith("r") and parent not in self._made | making:
                    making.add(parent)
                    creates.append(Create(parent))
            creates.append(Create(f"{parent}/{names.next_generation(name)}", data))
        return [*checks.values(), *creates]

    def to_back(self, items: Iterable[tuple[str, bytes]], deadline_s: float) -> list[Op]:
        """Operations that append (current name, data) at the tail, as new names."""
        checks: dict[int, Op] = {}
        creates: list[Op] = []
        for name, data in items:
            priority = int(name[5:8])
            guard = self._guard(priority, deadline_s)
            checks[priority] = Check(self._tree.priority(priority), guard.version)
            creates.append(append(self._tree, priority, guard, data))
        return [*checks.values(), *creates]

    def learn(self, op: Op, code: Code) -> bool:
        """Take note of a refused operation; False if it was not one of these."""
        match op, code:
            case Check(path, _), _:
                self._guards.pop(int(path.rpartition("/")[2]), None)
            case Create(path, b"", False, False), Code.NODE_EXISTS if path.endswith("r"):
                self._made.add(path)
            case Create(path), Code.NO_NODE if path.startswith(self._tree.items):
                segment = path.rpartition("/")[0]
                self._gone.add(segment)
                self._made.discard(segment)
            case _:
                return False
        return True

    def _parent(self, name: names.ItemName, guard: Guard) -> str:
        segment = guard.home(name)
        path = self._tree.segment(name.priority, segment)
        if path in self._gone and not segment.endswith("r"):
            return self._tree.segment(name.priority, names.returns_name(segment))
        return path

    def _guard(self, priority: int, deadline_s: float) -> Guard:
        if priority not in self._guards:
            path = self._tree.priority(priority)
            self._store.sync(path, deadline_s)
            (node,) = self._store.read_many([GetData(path)], deadline_s).results
            if not isinstance(node, Node):
                raise IncompatibleTreeError(f"{path}: expected the guard of a used priority")
            self._guards[priority] = Guard.decode(node.data, node.version)
        return self._guards[priority]


def append(tree: Tree, priority: int, guard: Guard, data: bytes) -> Create:
    """The operation that appends an item at the tail; valid as long as the guard is."""
    prefix = f"{tree.segment(priority, guard.tail_name)}/item-{priority:03d}-{guard.tail_name}-"
    return Create(prefix, data, sequence=True)
