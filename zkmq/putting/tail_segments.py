"""The tail segment of each priority, to which producers append, and its roll when it is full.

Each append also checks the version of the priority's guard. So every append to a segment takes
effect before the roll to the next one, and a put that begins after another returned comes after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from zkmq.errors import NoQuorumError
from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree, last_part
from zkmq.zookeeper.refusal import require_access
from zkmq.zookeeper.store import (
    CheckVersion,
    Code,
    Committed,
    Create,
    Delete,
    GetData,
    Op,
    Rejected,
    SetData,
    Store,
    Znode,
)


@dataclass(slots=True)
class TailSegment:
    """A guard as last read, and at least how many items were ever put into its segment."""

    guard: Guard
    filled: int = 0


class TailSegments:
    """The tails that one producer, consumer or janitor knows. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree, segment_items: int) -> None:
        self._store = store
        self._tree = tree
        self._segment_items = segment_items
        self._tails: dict[int, TailSegment] = {}
        # The last tail of a priority to which foreign nodes prevent an append.
        self._stuck: dict[int, int] = {}

    def guard(self, priority: int, deadline_s: float) -> Guard:
        """The guard to check now. Makes the priority if it was never used."""
        tail = self._tails.get(priority)
        if tail is None:
            tail = self._tails[priority] = TailSegment(self._read(priority, deadline_s))
        return tail.guard

    def check(self, priority: int, guard: Guard) -> CheckVersion:
        """The operation that fails if the guard has changed."""
        return CheckVersion(self._tree.priority(priority), guard.version)

    def append(self, priority: int, guard: Guard, data: bytes) -> Create:
        """The operation that appends an item, valid in a multi that checks the guard."""
        segment = self._tree.segment(priority, guard.tail_name)
        return Create(f"{segment}/item-{priority:03d}-{guard.tail_name}-", data, sequence=True)

    def appends(self, items: Iterable[tuple[str, bytes]], deadline_s: float) -> list[Op]:
        """Operations that append items, given as (present name, data), to their priorities."""
        checks: dict[int, Op] = {}
        creates: list[Op] = []
        for name, data in items:
            parsed = item_names.parse(name)
            assert parsed is not None
            guard = self.guard(parsed.priority, deadline_s)
            checks[parsed.priority] = self.check(parsed.priority, guard)
            creates.append(self.append(parsed.priority, guard, data))
        return [*checks.values(), *creates]

    def expect(self, priority: int) -> None:
        """Count an append that is being sent, so that the roll comes in time."""
        self._tails[priority].filled += 1

    def note(self, priority: int, guard: Guard, number: int) -> None:
        """Learn from a new item's number how full its segment is."""
        tail = self._tails.get(priority)
        if tail is not None and tail.guard == guard:
            # A server's counter wraps below zero. Then later names no longer sort last.
            tail.filled = max(tail.filled, number + 1 if number >= 0 else self._segment_items)

    def note_created(self, paths: Iterable[str | None]) -> None:
        """Learn from the paths that a write created how full the segments are."""
        for path in paths:
            parsed = item_names.parse(last_part(path)) if path else None
            tail = self._tails.get(parsed.priority) if parsed else None
            if parsed and tail and parsed.segment == tail.guard.tail:
                self.note(parsed.priority, tail.guard, parsed.number)

    def full(self) -> list[int]:
        """The priorities whose tail is full and has to roll."""
        return [p for p, tail in self._tails.items() if tail.filled >= self._segment_items]

    def roll(self, priority: int) -> list[Op]:
        """The operations that roll a tail. From here on, this client expects the new guard.

        If another client was faster, the next append is refused, and the guard is read again.
        """
        old = self._tails[priority].guard
        new = self._next(priority, old)
        self._tails[priority] = TailSegment(new)
        # A priority that was parked has versions from 0 again, but never the same segment.
        same_life = CheckVersion(self._tree.segment(priority, old.tail_name), 0)
        return [*self._turn(priority, old, new), same_life]

    def roll_full(self, deadline_s: float) -> None:
        """Roll the tails that are full. If that fails, this or another client does it later."""
        for priority in self.full():
            ops = self.roll(priority)
            reply = self._store.commit(ops, deadline_s)
            if isinstance(reply, Rejected):
                self.learn(ops[reply.index], reply.code)
            if not isinstance(reply, Committed):
                self.forget(priority)

    def forget(self, priority: int) -> None:
        """Drop what is known of a priority, so that its guard is read again before use."""
        self._tails.pop(priority, None)

    def learn(self, op: Op, code: Code) -> bool:
        """Learn why an operation was refused; False if it is none of this class."""
        match op, code:
            case CheckVersion(path, _), Code.BAD_VERSION | Code.NO_NODE:
                self._forget_path(path)
            case SetData(path, _, _), Code.BAD_VERSION | Code.NO_NODE:
                self._forget_path(path)  # another client was faster
            case Create(path, _, False, True), Code.NO_NODE | Code.NODE_EXISTS | Code.NO_AUTH:
                # The guard was valid. So a foreign client deleted the segment, made a node with
                # the next number in it, or changed its ACL.
                return self._learn_stuck(path.rpartition("/")[0])
            case CheckVersion(path, _), Code.NO_AUTH:
                return self._learn_stuck(path)  # a tail of which nothing can be taken
            case Create(path, b"", False, False), Code.NODE_EXISTS:
                # The guard was valid. So a foreign client made the node of the next segment.
                return self._learn_stuck(path)
            case _:
                return False
        return True

    def _forget_path(self, path: str) -> None:
        """Forget the priority of a guard's path, or of the path of one of its segments."""
        parent, _, name = path.rpartition("/")
        number = item_names.priority(name if parent == self._tree.items else parent[-3:])
        if number is not None:
            self.forget(number)

    def _learn_stuck(self, segment: str) -> bool:
        priority_path, _, name = segment.rpartition("/")
        parent, _, child = priority_path.rpartition("/")
        priority = item_names.priority(child)
        if parent != self._tree.items or priority is None or not item_names.segments([name]):
            return False
        tail = item_names.segment_number(name)
        self._stuck[priority] = max(tail, self._stuck.get(priority, tail))
        self.forget(priority)
        return True

    def _next(self, priority: int, old: Guard) -> Guard:
        tail = max(old.tail, self._stuck.get(priority, old.tail)) + 1
        return Guard(tail, old.purged, next_version(old.version))

    def _turn(self, priority: int, old: Guard, new: Guard) -> list[Op]:
        return [
            SetData(self._tree.priority(priority), new.encode(), old.version),
            Create(self._tree.segment(priority, new.tail_name)),
        ]

    def _read(self, priority: int, deadline_s: float) -> Guard:
        path = self._tree.priority(priority)
        while True:
            self._store.sync(path, deadline_s)
            reads = [GetData(path), GetData(self._tree.parked(priority))]
            node, parked = self._store.read_many(reads, deadline_s).results
            guard = Guard.decode(node.data, node.version) if isinstance(node, Znode) else None
            if guard is not None and guard.tail != self._stuck.get(priority):
                return guard
            if self._store.now() >= deadline_s:
                raise NoQuorumError(f"{path}: expected a guard, got only stale answers")
            if guard is None:
                self._make(priority, parked if isinstance(parked, Znode) else None, deadline_s)
            else:
                self._move_on(priority, guard, deadline_s)

    def _move_on(self, priority: int, guard: Guard, deadline_s: float) -> None:
        """Roll a tail to which foreign nodes prevent an append."""
        ops = self._turn(priority, guard, self._next(priority, guard))
        reply = self._store.commit(ops, deadline_s)
        require_access(ops[0].path, reply)
        if isinstance(reply, Rejected):
            self.learn(ops[reply.index], reply.code)

    def _make(self, priority: int, parked: Znode | None, deadline_s: float) -> None:
        """Make a priority and its first segment. Another client may do the same at the same time.

        A parked priority continues after its last segment, so that no name is used twice. The write
        checks whether the priority is parked, because the read may be stale.
        """
        place = self._tree.parked(priority)
        guard = Guard(0)
        ops: list[Op] = [Create(place), Delete(place)]
        if parked is not None:
            last = Guard.decode(parked.data, parked.version)
            guard = Guard(last.tail + 1, last.purged)
            ops = [Delete(place, parked.version)]
        path = self._tree.priority(priority)
        ops += [Create(path, guard.encode()), Create(f"{path}/{guard.tail_name}")]
        reply = self._store.commit(ops, deadline_s)
        require_access(path, reply)
        if parked is None and reply == Rejected(0, Code.NO_NODE):
            # A tree made by an earlier release.
            self._store.commit([Create(self._tree.place("parked"))], deadline_s)


def next_version(version: int) -> int:
    """The version of a node after one more write. It is an int32, and the servers let it wrap."""
    return version + 1 if version < 2**31 - 1 else -(2**31)
