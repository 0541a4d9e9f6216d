"""Move delayed items to their priorities when they are due."""

from collections import Counter
from collections.abc import Iterator, Sequence

from zkmq.errors import (
    AccessDeniedError,
    IncompatibleTreeError,
    OutdatedClientError,
    ServerRefusedError,
)
from zkmq.putting.delayed import MINUTE_MS, due_ms
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.group_locks import GroupLocks
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.refusal import why_refused
from zkmq.zookeeper.request_sizes import fitting, read_nodes, too_large
from zkmq.zookeeper.store import Code, Committed, Delete, Lost, Op, Rejected, Store, Znode

MOVES_PER_MULTI = 100
# The janitor reads this much of a bucket before it moves the first item. Up to here, items move
# in the order of their times.
READ_BYTES = 4_000_000
KEPT_MINUTES = 60
DEFAULT_PRIORITY = 100
# After so many items that an ACL keeps from a priority, the others of it are not tried.
MAX_DENIALS = 3

Due = tuple[str, Znode]


class DelayedMover:
    """One janitor's moves of delayed items. Not thread-safe; two at once do no harm."""

    def __init__(
        self, store: Store, tree: QueueTree, segment_items: int, skips: SkippedNodes
    ) -> None:
        self._store = store
        self._tree = tree
        self._skips = skips
        self._tails = TailSegments(store, tree, segment_items)
        self._return_places = ReturnPlaces(tree, self._tails)
        self._group_locks = GroupLocks(tree)
        # How often in this pass an ACL kept an item from each priority.
        self._denials: Counter[int] = Counter()
        # When each item that was read becomes due, by bucket and name, if it was not due yet.
        self._due_ms: dict[str, dict[str, float]] = {}

    def move_due(self, now_ms: float, until_s: float, deadline_s: float) -> bool:
        """Move what is due, in the order of the times; in parts of about 4 MB if there is more.

        Begins nothing after `until_s`; returns whether there is more to do then.
        """
        self._denials.clear()
        parent = self._tree.place("delayed")
        this_minute = int(now_ms // MINUTE_MS)
        listed = self._store.list(parent, deadline_s) or []
        minutes = self._skips.without_foreign(parent, listed, item_names.BUCKET.fullmatch)
        self._due_ms = {each: self._due_ms[each] for each in self._due_ms if each in minutes}
        for minute in minutes:
            if int(minute) > this_minute:
                break
            bucket = f"{parent}/{minute}"
            if bucket in self._skips:
                continue  # it may not be read, or its ACL lets nothing be moved
            is_old = int(minute) < this_minute - KEPT_MINUTES
            if self._empty(bucket, now_ms, until_s, deadline_s, is_old=is_old):
                return True
        return False

    def _empty(
        self, bucket: str, now_ms: float, until_s: float, deadline_s: float, *, is_old: bool
    ) -> bool:
        """Move what is due in one bucket; delete the bucket if it is empty and old."""
        listed = self._store.list(bucket, deadline_s, denied=self._skips.deny)
        if listed is None:
            return False
        delayed = self._skips.without_foreign(bucket, listed, item_names.is_delayed)
        if is_old and not delayed:
            if listed:
                self._skips.add(bucket, "it has nodes that are no delayed items")
            else:
                self._store.commit([Delete(bucket)], deadline_s)
            return False
        for read in self._due_of(bucket, delayed, now_ms, deadline_s):
            due = [each for each in read if self._has_place(each, deadline_s)]
            due.sort(key=lambda each: (due_ms(each[1]), each[1].czxid))
            while due:
                count = fitting([node.data for _, node in due[:MOVES_PER_MULTI]])
                if not self._move(due[:count], deadline_s) or bucket in self._skips:
                    return False
                due = due[count:]
            if self._store.now() >= until_s:
                return True
        return False

    def _due_of(
        self, bucket: str, delayed: Sequence[str], now_ms: float, deadline_s: float
    ) -> Iterator[list[Due]]:
        """Read what is due in a bucket, a few megabytes at a time."""
        known = self._due_ms.setdefault(last_part(bucket), {})
        paths = [
            path
            for name in delayed
            if known.get(name, now_ms) <= now_ms and (path := f"{bucket}/{name}") not in self._skips
        ]
        part: list[Due] = []
        size = 0
        for path, node in read_nodes(self._store, paths, deadline_s, denied=self._skips.deny):
            if (due := due_ms(node)) > now_ms:
                known[last_part(path)] = due
            elif reason := too_large(path, node.data):
                self._skips.add(path, reason)
            else:
                part.append((path, node))
                size += len(node.data)
            if size > READ_BYTES:
                yield part
                part, size = [], 0
        yield part

    def _move(self, due: list[Due], deadline_s: float) -> bool:
        """Move delayed items in one write, without those that another client changed or moved.

        Returns False if the servers refused by a rule, such as a quota. Then there is no use in
        trying one item after the other.
        """
        while due and self._store.now() < deadline_s:
            ops = self._moves(due, deadline_s)
            match self._store.commit(ops, deadline_s):
                case Committed():
                    self._tails.roll_full(deadline_s)
                    return True
                case Lost():
                    return True
                case Rejected(index, Code.NO_AUTH) if index < len(due):
                    bucket = due[index][0].rpartition("/")[0]
                    self._skips.add(bucket, "its ACL lets this client take nothing out of it")
                    return True
                case Rejected(index, code) if index < len(due) and code is not Code.OTHER:
                    path, _ = due.pop(index)
                    if code is not Code.NO_NODE and code is not Code.BAD_VERSION:
                        self._skips.add(path, why_refused(code))
                case Rejected(index, code) as reply:
                    if not self._learn(ops[index], code):
                        return self._split(due, ops[index], reply, deadline_s)
                    due = [each for each in due if self._is_open(each)]
        return True

    def _split(self, due: list[Due], op: Op, reply: Rejected, deadline_s: float) -> bool:
        """Find the item that the servers refuse, and move the others; False as for `_move`."""
        if len(due) == 1:
            self._skips.refused(due[0][0], op.path, reply.code, reply.number)
            self._note_refusal(due[0], op, reply.code)
            return reply.code is not Code.OTHER
        middle = len(due) // 2
        return self._move(due[:middle], deadline_s) and self._move(
            [each for each in due[middle:] if self._is_open(each)], deadline_s
        )

    def _note_refusal(self, each: Due, op: Op, code: Code) -> None:
        """Leave a priority alone to which an ACL lets this client append nothing."""
        priority = _priority(each)
        if code is Code.NO_AUTH and op.path.startswith(f"{self._tree.priority(priority)}/"):
            self._denials[priority] += 1
            if self._denials[priority] >= MAX_DENIALS:
                self._skips.refused(self._tree.priority(priority), op.path, code, 0)

    def _is_open(self, each: Due) -> bool:
        return self._tree.priority(_priority(each)) not in self._skips

    def _moves(self, due: Sequence[Due], deadline_s: float) -> list[Op]:
        ops: list[Op] = [Delete(path, node.version) for path, node in due]
        checks: dict[int, Op] = {}
        appends: list[Op] = []
        back: list[tuple[str, bytes]] = []
        returned: list[envelope.Header] = []
        for path, node in due:
            name = last_part(path)
            header, payload = envelope.unwrap(node.data)
            priority = header.pop("priority", DEFAULT_PRIORITY)
            header.pop("delay_s", None)
            if item_names.parse(name):
                back.append((name, envelope.wrap(payload, header)))
                returned.append(header)  # its group has waited for it
            else:
                guard = self._tails.guard(priority, deadline_s)
                checks[priority] = self._tails.check(priority, guard)
                appends.append(self._tails.append(priority, guard, envelope.wrap(payload, header)))
                self._tails.expect(priority)
        places = self._return_places.returns(back, deadline_s)
        return [
            *ops, *checks.values(), *appends, *places, *self._group_locks.unlocks(returned),
        ]  # fmt: skip

    def _has_place(self, each: Due, deadline_s: float) -> bool:
        """Whether an item's priority can take it. If not, skip the item until it can."""
        if not self._is_open(each):
            return False
        priority = _priority(each)
        try:
            self._tails.guard(priority, deadline_s)
        except OutdatedClientError:
            raise
        except AccessDeniedError:
            self._skips.deny(self._tree.priority(priority))
            return False
        except ServerRefusedError as error:
            self._skips.refused(each[0], self._tree.priority(priority), Code.OTHER, error.code)
            return False
        except IncompatibleTreeError as error:
            self._skips.add(each[0], f"it cannot go to its priority: {error}")
            return False
        return True

    def _learn(self, op: Op, code: Code) -> bool:
        if code is Code.NO_AUTH:
            return False  # it may be about one item, which `_split` finds
        # The return places learn of the guards for the tails, too.
        knows = (self._return_places, self._tails, self._group_locks)
        return any(each.learn(op, code) for each in knows)


def _priority(each: Due) -> int:
    """The priority to which a delayed item goes."""
    path, node = each
    if parsed := item_names.parse(last_part(path)):
        return parsed.priority
    priority: int = envelope.unwrap(node.data)[0].get("priority", DEFAULT_PRIORITY)
    return priority
