"""Housekeeping: delete nodes that no client needs any more.

Every change here is one multi, or one deletion that the server refuses if the node is in use. So a
stale read does no harm. "Now" is always the servers' clock.
"""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice

from zkmq.putting.dedup import HOUR_MS
from zkmq.tree import envelope, item_names
from zkmq.tree.guards import read_guards
from zkmq.tree.json_object import decode_object
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.refusal import why_refused
from zkmq.zookeeper.request_sizes import cut, read_nodes
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    Pending,
    Rejected,
    Store,
    is_there,
    unread,
)

DELETES_PER_MULTI = 500
TOLD = frozenset({Code.NOT_EMPTY, Code.NO_AUTH})
DELETE_BYTES = 256 * 1024
# How many deletions are in flight at once.
DEPTH = 4
IDLE_PRODUCER_MS = 24 * HOUR_MS
KEPT_HOURS = 3
# The numbers in the waiting line are int32. A new epoch opens long before they wrap.
LAST_IN_EPOCH = 2**30


class Sweeper:
    """Deletes what is no longer needed, for one janitor. Not thread-safe; two at once do no harm.

    Each method begins nothing after `until_s`, and returns whether there is more to do then.
    """

    def __init__(self, store: Store, tree: QueueTree, skips: SkippedNodes) -> None:
        self._store = store
        self._tree = tree
        self._skips = skips
        # Where to continue: after this priority and segment, and after this mark.
        self._cursor = (0, "")
        self._last_mark = ""

    def drop_segments(self, _: float, until_s: float, deadline_s: float) -> bool:
        """Delete purged items, and segments that are drained or purged."""
        children = self._store.list(self._tree.items, deadline_s) or []
        self._skips.add_foreign(
            self._tree.items,
            (c for c in children if item_names.priority(c) is None and not item_names.parse(c)),
        )
        for priority in item_names.priorities(children):
            if priority < self._cursor[0]:
                continue
            if priority > self._cursor[0]:
                self._cursor = (priority, "")
            if self._drop_segments_of(priority, until_s, deadline_s):
                return True
            self._cursor = (priority + 1, "")
            if self._late(until_s):
                return True
        self._cursor = (0, "")
        return False

    def drop_old_ids(self, now_ms: float, until_s: float, deadline_s: float) -> bool:
        """Delete the ids of puts that are more than two hours old."""
        parent = self._tree.place("dedup")
        for hour in self._buckets(parent, deadline_s):
            if int(hour) > now_ms // HOUR_MS - KEPT_HOURS:
                break
            if self._empty(f"{parent}/{hour}", until_s, deadline_s):
                return True
        return False

    def drop_idle_producers(self, now_ms: float, until_s: float, deadline_s: float) -> bool:
        """Delete tickets that were not used for a day. A live producer makes a new one."""
        parent = self._tree.producers
        listed = self._store.list(parent, deadline_s) or []
        producers = self._skips.without_foreign(parent, listed, item_names.is_producer)
        paths = [f"{parent}/{name}" for name in producers]
        for path, node in read_nodes(self._store, paths, deadline_s, denied=self._skips.deny):
            if node.mtime_ms < now_ms - IDLE_PRODUCER_MS and path not in self._skips:
                self._delete(path, node.version, deadline_s)
                if self._late(until_s):
                    return True
        return False

    def turn_epoch(self, _: float, __: float, deadline_s: float) -> bool:
        """Open a new epoch of the waiting line before numbers overflow; delete drained epochs."""
        parent = self._tree.place("waiting")
        epochs = self._buckets(parent, deadline_s)
        lines: dict[str, list[str]] = {}
        for epoch in epochs:
            line = self._store.list(f"{parent}/{epoch}", deadline_s, denied=self._skips.deny)
            if line is not None:
                lines[epoch] = line
        for epoch, line in lines.items():
            path = f"{parent}/{epoch}"
            places = self._skips.without_foreign(path, line, item_names.WAITER.fullmatch)
            numbers = [number for name in places if (number := item_names.waiter(name)) is not None]
            if epoch != max(lines):
                if not numbers and path not in self._skips:
                    self._delete(path, -1, deadline_s)
            elif any(number >= LAST_IN_EPOCH or number < 0 for number in numbers):
                new = item_names.free_bucket(epochs, int(epoch) + 1)
                self._store.commit([Create(f"{parent}/{new}")], deadline_s)
        return False

    def drop_marks(self, _: float, until_s: float, deadline_s: float) -> bool:
        """Delete the marks of skipped nodes that are gone."""
        parent = self._tree.place("skipped")
        listed = self._store.list(parent, deadline_s) or []
        marks = [f"{parent}/{name}" for name in sorted(listed) if name > self._last_mark]
        for mark, node in read_nodes(self._store, marks, deadline_s, denied=unread):
            path = _marked(node.data)
            if path is not None and self._is_gone(path, deadline_s):
                self._store.commit([Delete(mark)], deadline_s)
            if self._late(until_s):
                self._last_mark = last_part(mark)
                return True
        self._last_mark = ""
        return False

    def _drop_segments_of(self, priority: int, until_s: float, deadline_s: float) -> bool:
        path = self._tree.priority(priority)
        found = read_guards(
            self._store, self._tree, [priority], deadline_s, denied=self._skips.deny
        )
        if priority not in found:
            return False
        guard, children = found[priority]
        if guard is None:
            self._skips.add(path, "expected JSON with tail and purged")
            return False
        segments = self._skips.without_foreign(path, children, item_names.SEGMENT.fullmatch)
        waiting = guard.waiting(segments)
        for segment in sorted(set(segments) - set(waiting)):
            if self._empty(f"{path}/{segment}", until_s, deadline_s):
                return True
        before = [segment for segment in waiting if segment < guard.tail_name]
        left = [
            segment_path
            for segment in before
            if segment > self._cursor[1]
            and (segment_path := f"{path}/{segment}") not in self._skips
        ]
        nodes = read_nodes(self._store, left, deadline_s, denied=self._skips.deny)
        for segment_path, segment_node in nodes:
            if segment_node.children == 0:
                # If it is refused as not empty, an item has come back to it.
                self._delete(segment_path, -1, deadline_s, told={Code.NO_AUTH})
            if self._late(until_s):
                self._cursor = (priority, last_part(segment_path))
                return True
        return False

    def _is_gone(self, path: str, deadline_s: float) -> bool:
        ours = path.startswith(f"{self._tree.root}/")
        return ours and not is_there(self._store, path, deadline_s)

    def _buckets(self, parent: str, deadline_s: float) -> list[str]:
        listed = self._store.list(parent, deadline_s) or []
        return self._skips.without_foreign(parent, listed, item_names.BUCKET.fullmatch)

    def _empty(self, path: str, until_s: float, deadline_s: float) -> bool:
        """Delete a node and its children; return whether there is more to do."""
        listed = self._store.list(path, deadline_s, denied=self._skips.deny)
        if listed is None or path in self._skips:
            return False
        paths = [child for name in listed if (child := f"{path}/{name}") not in self._skips]
        if not self._delete_all(paths, until_s, deadline_s):
            return True
        # The node stays as long as it has a child that cannot be deleted.
        if len(paths) == len(listed):
            self._delete(path, -1, deadline_s)
        return False

    def _delete_all(self, paths: Sequence[str], until_s: float, deadline_s: float) -> bool:
        """Delete childless nodes, several writes in flight at once; False if any is left."""
        writes = cut(paths, DELETES_PER_MULTI, (len, DELETE_BYTES))
        sent: deque[tuple[Sequence[str], Pending]] = deque()
        whole = True
        # Send some writes even if the listing took all the time.
        for write in islice(writes, DEPTH):
            sent.append((write, self._submit(write)))
        while sent:
            write, pending = sent.popleft()
            reply = pending.reply(deadline_s)
            if isinstance(reply, Rejected):
                whole = self._delete_rest([*write], reply, until_s, deadline_s) and whole
            else:
                whole = whole and isinstance(reply, Committed)
            if not self._late(until_s) and (following := next(writes, None)):
                sent.append((following, self._submit(following)))
        return whole and next(writes, None) is None

    def _submit(self, paths: Sequence[str]) -> Pending:
        return self._store.submit([Delete(path) for path in paths])

    def _delete_rest(
        self, paths: list[str], reply: Rejected, until_s: float, deadline_s: float
    ) -> bool:
        """Delete the other nodes of a write in which one was refused; False if any is left."""
        while True:
            if reply.code is Code.NO_NODE:
                return False  # another janitor does the same: look again
            path = paths.pop(reply.index)
            if reply.code in {Code.NO_AUTH, Code.OTHER}:
                # An ACL of the parent, or a rule: the other nodes are refused as well.
                parent = path.rpartition("/")[0]
                self._skips.refused(parent, path, reply.code, reply.number)
                return False
            self._skips.add(path, why_refused(reply.code))
            if not paths:
                return True
            if self._late(until_s):
                return False
            answer = self._store.commit([Delete(path) for path in paths], deadline_s)
            if not isinstance(answer, Rejected):
                return isinstance(answer, Committed)
            reply = answer

    def _delete(
        self, path: str, version: int, deadline_s: float, *, told: Collection[Code] = TOLD
    ) -> None:
        """Delete a node. If it is refused for a reason that is `told`, skip the node."""
        reply = self._store.commit([Delete(path, version)], deadline_s)
        if isinstance(reply, Rejected) and reply.code in told:
            self._skips.add(path, why_refused(reply.code))

    def _late(self, until_s: float) -> bool:
        return self._store.now() >= until_s


def _marked(data: bytes) -> str | None:
    """The path of the skipped node that a mark names; None if the data is no mark."""
    path = (decode_object(data) or {}).get("path")
    # Servers refuse to look for a path with a null character.
    return path if envelope.is_text(path) and "\0" not in path else None
