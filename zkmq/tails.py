"""Where producers append: the tail segment of each priority, and when it is full.

Whoever appends demands the guard of the priority as it was read, so every append to a segment
comes before the roll to the next, and a put that begins after another returned comes behind it.
"""

from dataclasses import dataclass

from zkmq.errors import NoQuorumError
from zkmq.refusal import demand_access
from zkmq.store import Check, Code, Create, GetData, Node, Op, SetData, Store
from zkmq.tree import Guard, Tree


@dataclass(slots=True)
class Tail:
    """A guard as last read, and how many items its segment has had, as far as is known."""

    guard: Guard
    filled: int = 0


class Tails:
    """The tails of one producer or janitor. Not thread-safe."""

    def __init__(self, store: Store, tree: Tree, segment_items: int) -> None:
        self._store = store
        self._tree = tree
        self._segment_items = segment_items
        self._tails: dict[int, Tail] = {}

    def guard(self, priority: int, deadline_s: float) -> Guard:
        """The guard to demand now; makes the priority if it was never used.

        Raises:
            NoQuorumError: no answer before the deadline.
        """
        tail = self._tails.get(priority)
        if tail is None:
            tail = self._tails[priority] = Tail(self._read(priority, deadline_s))
        return tail.guard

    def check(self, priority: int, guard: Guard) -> Check:
        """The operation that demands a guard."""
        return Check(self._tree.priority(priority), guard.version)

    def append(self, priority: int, guard: Guard, data: bytes) -> Create:
        """The operation that appends an item; good as long as the guard is."""
        segment = self._tree.segment(priority, guard.tail_name)
        return Create(f"{segment}/item-{priority:03d}-{guard.tail_name}-", data, sequence=True)

    def expect(self, priority: int, count: int) -> None:
        """Count appends that are being sent."""
        self._tails[priority].filled += count

    def note(self, priority: int, guard: Guard, number: int) -> None:
        """Learn from a new item's number how full its segment is."""
        tail = self._tails.get(priority)
        if tail is not None and tail.guard == guard:
            tail.filled = max(tail.filled, number + 1)

    def full(self) -> list[int]:
        """The priorities whose tail has to move on."""
        return [p for p, tail in self._tails.items() if tail.filled >= self._segment_items]

    def roll(self, priority: int) -> list[Op]:
        """The operations that move a tail on; from here on its new guard is expected.

        If another client was faster, the next append is refused, and `forget` mends it.
        """
        tail = self._tails[priority]
        old = tail.guard
        new = Guard(old.tail + 1, old.purged, old.version + 1)
        self._tails[priority] = Tail(new)
        return [
            Create(self._tree.segment(priority, new.tail_name)),
            SetData(self._tree.priority(priority), new.encode(), old.version),
        ]

    def forget(self, priority: int) -> None:
        """Read the guard again before it is used."""
        self._tails.pop(priority, None)

    def learn(self, op: Op, code: Code) -> bool:
        """Take note of a refused operation; False if it was not one of these."""
        match op, code:
            case Check(path, _), Code.BAD_VERSION | Code.NO_NODE:
                self.forget(int(path.rpartition("/")[2]))
            case Create(path, _, False, True), Code.NO_NODE if path.startswith(self._tree.items):
                self.forget(int(path.rpartition("/")[2][5:8]))
            case _:
                return False
        return True

    def _read(self, priority: int, deadline_s: float) -> Guard:
        path = self._tree.priority(priority)
        while True:
            self._store.sync(path, deadline_s)
            (node,) = self._store.read_many([GetData(path)], deadline_s).results
            if isinstance(node, Node):
                return Guard.decode(node.data, node.version)
            if self._store.now() >= deadline_s:
                raise NoQuorumError(f"{path}: expected a guard, got only stale answers")
            self._make(priority, deadline_s)

    def _make(self, priority: int, deadline_s: float) -> None:
        """Make a priority and its first segment; someone else having done so is as good."""
        guard = Guard(0)
        create = Create(self._tree.priority(priority), guard.encode())
        first = Create(self._tree.segment(priority, guard.tail_name))
        demand_access(create.path, self._store.commit([create, first], deadline_s))
