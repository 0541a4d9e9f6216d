"""The items that a consumer may claim next: the head of the queue at one recent state of the tree.

A look reads the priorities, and the first segments of each, in one request and so at one zxid. It
reads as many segments as it needs for the number of items wanted. It starts from the first segment
that exists, so the next look sees an item that returned to an old segment. Between two looks, for
MAX_AGE_S at most, the cache offers items from memory. A claim of a taken item fails.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zkmq.errors import NoQuorumError
from zkmq.taking.group_locks import GroupGate
from zkmq.taking.head_items import Head, needed, read_head
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.request_sizes import MAX_CALL_BYTES
from zkmq.zookeeper.store import Delete, GetData, Op, Store, Znode

MAX_AGE_S = 0.05
MAX_READ_BYTES = 256 * 1024
MAX_READS = 500
# The number of items in the first read, while their size is not known.
FIRST_READS = 8
# The most batches in one read, while no other consumer takes the items.
MAX_AHEAD = 64
# How many items, whose groups are held, a look passes over.
MAX_PASSED = 5000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that was waiting when it was read. Another consumer may have taken it since."""

    path: str
    node: Znode

    @property
    def name(self) -> str:
        """The item's name, the last part of its path."""
        return last_part(self.path)


Choose = Callable[[Sequence[str], int, bool], list[str]]


def in_order(paths: Sequence[str], n: int, fresh: bool) -> list[str]:  # noqa: FBT001, ARG001
    """Choose in strict order: the first `n`."""
    return list(paths[:n])


class HeadCache:
    """The head of the queue as one consumer knows it. Not thread-safe.

    `choose(paths, n, fresh)` picks up to `n` of the waiting paths, which are given in order. If the
    look is not `fresh`, it may pick none, and is called again after a new look. `skips` are the
    nodes that are never offered. With `count_consumers`, each look also counts the registrations.
    Without `marks`, nothing is written about nodes that are skipped.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        *,
        choose: Choose = in_order,
        count_consumers: bool = False,
        marks: bool = True,
    ) -> None:
        self._store = store
        self._tree = tree
        self._choose = choose
        self._count_consumers = count_consumers
        self.consumers = 0
        self.skips = SkippedNodes(store, tree, marks=marks)
        self.gate = GroupGate()
        # The segments of each priority that the next look reads.
        self._plan: dict[int, list[str]] = {}
        self._paths: list[str] = []
        self._read: dict[str, Candidate] = {}
        self._looked_s = float("-inf")
        self._head: Head | None = None
        # The most items in one read.
        self._at_once = FIRST_READS
        self._ahead = 1
        self.zxid: int | None = None
        # Whether the last batch, if it is empty, is what a whole look found.
        self.looked = False
        # Whether the last batch found items that could not be taken.
        self.passed = False
        # The items of the last batch that this client may not read.
        self._denied: set[str] = set()

    def drop(self) -> None:
        """Make the next batch look again."""
        self._looked_s = float("-inf")

    def batch(
        self, n: int, deadline_s: float, usable: Callable[[Candidate], bool]
    ) -> list[Candidate]:
        """Return the first usable items with their data, at most `n`, and remove them here.

        After an empty batch, `zxid` is the state in which the queue was empty. It is None if there
        were items, but none was usable.
        """
        fresh = self.passed = False
        skipped = self._denied = set[str]()  # reads add what may not be read
        while True:
            if self._store.now() - self._looked_s > MAX_AGE_S and not fresh:
                self._look_past(skipped, n, deadline_s)
                fresh = True
            chosen = self._choose(self._paths, n, fresh)
            # If an earlier look left fewer than `n`, more may have come since.
            if chosen and (fresh or len(chosen) == n):
                found = self._fetch(chosen, deadline_s)
                batch = [candidate for candidate in found if usable(candidate)]
                if batch:
                    return [*batch, *self._more(n - len(batch), deadline_s, usable)]
                # An item that waits for its group is looked at again: it may be the first by then.
                skipped.update(each.path for each in found if self.gate.is_open(each.path))
                # Others took the items after the look. So that look saw no empty queue.
                fresh = False
                self.passed = self.passed or bool(found)
                if self._store.now() >= deadline_s:
                    raise NoQuorumError("reserve: items that cannot be taken took all the time")
            elif fresh or self._store.now() >= deadline_s:
                # The rest waits for the holders of its groups.
                self.looked = fresh
                is_empty = fresh and not skipped and not self._paths
                self.zxid = self.zxid if is_empty else None
                return []
            else:
                self.drop()

    def _more(
        self, n: int, deadline_s: float, usable: Callable[[Candidate], bool]
    ) -> Iterator[Candidate]:
        """Fill up a batch of which some items turned out to wait for their groups."""
        while n > 0 and self.gate.is_on and (chosen := self._choose(self._paths, n, False)):  # noqa: FBT003
            for candidate in self._fetch(chosen, deadline_s):
                if usable(candidate):
                    n -= 1
                    yield candidate

    def first(self, n: int, deadline_s: float) -> list[Candidate]:
        """Look, and return the first `n` items for display only."""
        self._look(n, deadline_s)
        found: list[Candidate] = []
        while self._paths and len(found) < n:
            found += self._fetch(self._paths[: n - len(found)], deadline_s)
        return found

    def put_back(self, candidates: Sequence[Candidate], taken: Op | None) -> None:
        """Put candidates back that were not claimed, without the one that `taken` names."""
        gone = taken.path if taken else None
        kept = [candidate for candidate in candidates if candidate.path != gone]
        self._read.update((candidate.path, candidate) for candidate in kept)
        self._paths[:0] = [candidate.path for candidate in kept]

    def pace(self, *, conflict: bool) -> None:
        """Read further ahead after a success. After a conflict, read nothing ahead."""
        self._ahead = 1 if conflict else min(self._ahead * 2, MAX_AHEAD)

    def look(self, wanted: int, deadline_s: float) -> None:
        """Read the head of the queue at one state, and delete drained segments."""
        self._remove_drained(self._look(wanted, deadline_s))

    def _look(self, wanted: int, deadline_s: float) -> Head:
        while True:
            looked_s = self._store.now()
            head = read_head(
                self._store,
                self._tree,
                self._plan,
                deadline_s,
                count_consumers=self._count_consumers,
                skips=self.skips,
            )
            passed = self.gate.passed_over(head.paths(self._tree), head.locks)
            more = len(self.skips) + min(passed, MAX_PASSED)
            self._plan, complete = needed(head, wanted + more)
            if complete:
                break
        self.zxid, self.consumers = head.zxid, head.consumers
        self._head = head
        self._paths = list(head.paths(self._tree))
        if self.skips:
            found = self._paths
            self._paths = [path for path in found if path not in self.skips]
            if len(self._paths) < len(found):
                self.zxid = None  # a queue with skipped nodes was not seen empty
        if head.unread:
            self.zxid = None
        self.gate.begin(self._paths, head.locks)
        self._looked_s = looked_s
        if self._read:
            listed = set(self._paths)
            self._read = {path: each for path, each in self._read.items() if path in listed}
        return head

    def _look_past(self, skipped: set[str], n: int, deadline_s: float) -> None:
        self.look(n + len(skipped), deadline_s)
        if skipped:
            skipped.intersection_update(self._paths)  # the others are dead letters by now
            self._paths = [path for path in self._paths if path not in skipped]

    def seen(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The listings of the last look, as (path, children). A new child may be a new item."""
        return iter(()) if self._head is None else self._head.listings(self._tree)

    def _remove_drained(self, head: Head) -> None:
        """Delete empty segments before the tail. No put and no return goes to a dropped segment.

        The answers do not matter. NotEmpty protects an item that came back since the look, and a
        stale tail is too low, never too high.
        """
        for priority, priority_head in head.priority_heads.items():
            if priority_head is None:
                continue
            for segment, items in priority_head.items.items():
                path = self._tree.segment(priority, segment)
                is_empty = not items and segment not in priority_head.foreign
                is_empty = is_empty and path not in head.unread
                if is_empty and segment < priority_head.guard.tail_name:
                    self._store.submit([Delete(path)])

    def _fetch(self, chosen: list[str], deadline_s: float) -> list[Candidate]:
        """Return the chosen items that still exist; read some later ones in the same request.

        Stops when it has as much as one claim can take. The others stay in the cache.
        """
        found: list[Candidate] = []
        size = 0
        while chosen and size < MAX_CALL_BYTES:
            part, chosen = chosen[: self._at_once], chosen[self._at_once :]
            missing = [path for path in part if path not in self._read]
            self._forget(part)
            if missing:
                self._read_more(missing, [] if chosen else self._ahead_of(missing), deadline_s)
            here = [self._read.pop(path) for path in part if path in self._read]
            for each in here:
                self.gate.read(each.path, each.node.data)
            size += sum(len(each.node.data) for each in here)
            found += here
        return found

    def _ahead_of(self, missing: Sequence[str]) -> list[str]:
        """The items to read together with the last chosen ones, for the next batches."""
        # Many may turn out to wait for their groups.
        fits = self._at_once if self.gate.is_on else len(missing) * self._ahead
        more = min(self._at_once, fits) - len(missing)
        ahead = self._choose(self._paths, more, False) if more > 0 else []  # noqa: FBT003
        return [path for path in ahead if path not in self._read]

    def _deny(self, path: str) -> None:
        self.skips.deny(path)
        self._denied.add(path)

    def _forget(self, chosen: Sequence[str]) -> None:
        if self._paths[: len(chosen)] == chosen:
            del self._paths[: len(chosen)]
        else:
            gone = set(chosen)
            self._paths = [path for path in self._paths if path not in gone]

    def _read_more(self, missing: Sequence[str], ahead: Sequence[str], deadline_s: float) -> None:
        paths = [*missing, *ahead]
        reads = [GetData(path) for path in paths]
        view = self._store.read_many(reads, deadline_s, denied=self._deny)
        size = 0
        for path, node in zip(paths, view.results, strict=True):
            if isinstance(node, Znode):
                self._read[path] = Candidate(path, node)
                self.gate.read(path, node.data)
                size += len(node.data)
            else:
                self.gate.vanished(path)
        # Assume that the next items are as large as these, and read no more than MAX_READ_BYTES.
        # At most double the number, because the next ones may be larger.
        fits = MAX_READ_BYTES * len(paths) // max(1, size)
        self._at_once = max(1, min(fits, max(2 * len(paths), self._at_once), MAX_READS))
