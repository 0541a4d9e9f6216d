"""Housekeeping: items that are due, and nodes that nobody needs any more.

Everything here is one multi, or one deletion that the server refuses if the node is in use, so
that a stale look can do no harm. "Now" is always the servers' clock.
"""

from collections.abc import Sequence

from zkmq import envelope, names
from zkmq.dedup import HOUR_MS
from zkmq.delayed import MINUTE_MS, due_ms
from zkmq.homes import Homes
from zkmq.loads import fitting, read_nodes
from zkmq.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Node,
    Op,
    Read,
    Rejected,
    Store,
)
from zkmq.tails import Tails
from zkmq.tree import Guard, Tree

MOVES_PER_MULTI = 100
DELETES_PER_MULTI = 500
IDLE_PRODUCER_MS = 24 * HOUR_MS
KEPT_HOURS = 3
KEPT_MINUTES = 60
# A line's numbers are int32 and would then sort before all others.
LAST_IN_EPOCH = 2**30


class Sweeper:
    """One client's housekeeping. Not thread-safe; two at once do no harm.

    Each method raises NoQuorumError if no answer came before the deadline; what is done is done.
    """

    def __init__(self, store: Store, tree: Tree, segment_items: int) -> None:
        self._store = store
        self._tree = tree
        self._homes = Homes(store, tree)
        self._tails = Tails(store, tree, segment_items)

    def move_due(self, now_ms: float, deadline_s: float) -> None:
        """Make delayed items available whose time has come, in the order of their times."""
        parent = self._tree.place("delayed")
        this_minute = int(now_ms // MINUTE_MS)
        for minute in sorted(self._store.list(parent, deadline_s) or []):
            if int(minute) > this_minute:
                return
            bucket = f"{parent}/{minute}"
            listed = self._store.list(bucket, deadline_s) or []
            if not listed and int(minute) < this_minute - KEPT_MINUTES:
                self._store.commit([Delete(bucket)], deadline_s)
            due = [
                (path, node)
                for path, node in self._read([f"{bucket}/{name}" for name in listed], deadline_s)
                if due_ms(node) <= now_ms
            ]
            due.sort(key=lambda each: (due_ms(each[1]), each[1].czxid))
            while due:
                count = fitting([node.data for _, node in due[:MOVES_PER_MULTI]])
                self._move(due[:count], deadline_s)
                due = due[count:]

    def drop_segments(self, deadline_s: float) -> None:
        """Delete purged items, and segments that were drained or purged."""
        for child in sorted(self._store.list(self._tree.items, deadline_s) or []):
            if not child.isdigit():
                continue
            path = self._tree.priority(int(child))
            reads: list[Read] = [GetData(path), GetChildren(path)]
            node, segments = self._store.read_many(reads, deadline_s).results
            if not isinstance(node, Node) or not isinstance(segments, list):
                continue
            guard = Guard.decode(node.data, node.version)
            waiting = set(guard.waiting(segments))
            for segment in sorted(segments):
                if segment not in waiting:
                    self._empty(f"{path}/{segment}", deadline_s)
            drained = [segment for segment in waiting if segment < guard.tail_name]
            paths = [f"{path}/{segment}" for segment in sorted(drained)]
            for segment_path, segment_node in self._read(paths, deadline_s):
                if segment_node.children == 0:
                    self._store.commit([Delete(segment_path)], deadline_s)

    def drop_old_ids(self, now_ms: float, deadline_s: float) -> None:
        """Forget the ids of puts of hours ago."""
        parent = self._tree.place("dedup")
        for hour in sorted(self._store.list(parent, deadline_s) or []):
            if int(hour) <= now_ms // HOUR_MS - KEPT_HOURS:
                self._empty(f"{parent}/{hour}", deadline_s)

    def drop_idle_producers(self, now_ms: float, deadline_s: float) -> None:
        """Delete tickets that were not used for a day; a producer that lives takes a new one."""
        parent = self._tree.producers
        listed = self._store.list(parent, deadline_s) or []
        for path, node in self._read([f"{parent}/{name}" for name in listed], deadline_s):
            if node.mtime_ms < now_ms - IDLE_PRODUCER_MS:
                self._store.commit([Delete(path, node.version)], deadline_s)

    def turn_epoch(self, deadline_s: float) -> None:
        """Open a new line long before the numbers of the old one overflow; drop drained ones."""
        parent = self._tree.place("waiting")
        epochs = sorted(self._store.list(parent, deadline_s) or [])
        for epoch in epochs:
            line = self._store.list(f"{parent}/{epoch}", deadline_s) or []
            if epoch != epochs[-1] and not line:
                self._store.commit([Delete(f"{parent}/{epoch}")], deadline_s)
            elif epoch == epochs[-1] and any(int(name[-10:]) >= LAST_IN_EPOCH for name in line):
                self._store.commit([Create(f"{parent}/{int(epoch) + 1:010d}")], deadline_s)

    def _move(self, due: Sequence[tuple[str, Node]], deadline_s: float) -> None:
        """Move delayed items; those that were moved or changed meanwhile wait for a new look."""
        while self._store.now() < deadline_s:
            ops = self._moves(due, deadline_s)
            match self._store.commit(ops, deadline_s):
                case Rejected(index, code) if self._learn(ops[index], code):
                    continue
                case Committed():
                    self._roll(deadline_s)
            return

    def _moves(self, due: Sequence[tuple[str, Node]], deadline_s: float) -> list[Op]:
        ops: list[Op] = [Delete(path, node.version) for path, node in due]
        checks: dict[int, Op] = {}
        appends: list[Op] = []
        back: list[tuple[str, bytes]] = []
        for path, node in due:
            name = path.rpartition("/")[2]
            header, payload = envelope.unwrap(node.data)
            priority = int(header.pop("priority", 100))
            header.pop("delay_s", None)
            if names.parse(name):
                back.append((name, envelope.wrap(payload, header)))
                continue
            guard = self._tails.guard(priority, deadline_s)
            checks[priority] = self._tails.check(priority, guard)
            appends.append(self._tails.append(priority, guard, envelope.wrap(payload, header)))
            self._tails.expect(priority, 1)
        return [*ops, *checks.values(), *appends, *self._homes.returns(back, deadline_s)]

    def _learn(self, op: Op, code: Code) -> bool:
        # A check may be of either: both read again.
        return any([self._tails.learn(op, code), self._homes.learn(op, code)])

    def _roll(self, deadline_s: float) -> None:
        for priority in self._tails.full():
            if not isinstance(
                self._store.commit(self._tails.roll(priority), deadline_s), Committed
            ):
                self._tails.forget(priority)

    def _empty(self, path: str, deadline_s: float) -> None:
        """Delete a node and its children, some at a time."""
        while self._store.now() < deadline_s:
            listed = self._store.list(path, deadline_s)
            if listed is None:
                return
            ops: list[Op] = [Delete(f"{path}/{name}") for name in listed[:DELETES_PER_MULTI]]
            if len(listed) <= DELETES_PER_MULTI:
                ops.append(Delete(path))
            if not isinstance(self._store.commit(ops, deadline_s), Committed):
                return  # another janitor is at it, or the next round is

    def _read(self, paths: Sequence[str], deadline_s: float) -> list[tuple[str, Node]]:
        return list(read_nodes(self._store, paths, deadline_s))
