"""Items that were put aside: bring them back, or move them to another queue."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from zkmq.errors import (
    AccessDeniedError,
    BadArgumentError,
    IncompatibleTreeError,
    NotAppliedError,
    OutdatedClientError,
)
from zkmq.operating.changes import Changed, look_again
from zkmq.operating.inspection import names_aside
from zkmq.operating.operator_writes import OperatorWrites
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope
from zkmq.tree.compatibility.charter import GROUPS, SEGMENT_ITEMS
from zkmq.tree.compatibility.chartered_store import CharteredStore
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.ticket import TookEffect
from zkmq.zookeeper.request_sizes import read_load, too_large
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.store import Code, Create, Delete, Op, Store, Znode

BATCH = 100
# After so many refused items, a call gives up.
MOST_REFUSED = 100
# Room for the operations that move an item. The header of an item that comes back gets shorter.
GROWTH_BYTES = 1000
# What an item loses when it is forgiven, and what it also loses in another queue, where it is new.
OUTCOME_KEYS = frozenset({"reason", "last_owner", "put_ms"})
HISTORY_KEYS = frozenset({"put_zxid", "deliveries", "forgiven", "owner", "delay_s", "priority"})

log = logging.getLogger("zkmq")

Nodes = Sequence[tuple[str, Znode]]


class Destination(Protocol):
    """Where items that were put aside go."""

    def ops(self, nodes: Nodes, deadline_s: float) -> list[Op]:
        """The operations that create the items, given as (name, node), at their destination."""

    def learn(self, op: Op, code: Code, deadline_s: float) -> bool:
        """Learn why an operation was refused; False if that says nothing about the destination."""

    def took_effect(self, result: TookEffect, deadline_s: float) -> None:
        """Learn from a write that took effect."""


class OldPlaces:
    """The places from which the items of this queue came. Their deliveries count anew."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._places = ReturnPlaces(tree, TailSegments(store, tree, SEGMENT_ITEMS))

    def ops(self, nodes: Nodes, deadline_s: float) -> list[Op]:
        """Create each item under its next name."""
        return self._places.returns(
            [(name, _forgiven(node.data)) for name, node in nodes], deadline_s
        )

    def learn(self, op: Op, code: Code, deadline_s: float) -> bool:
        """Learn of other places, and of names that are taken."""
        return self._places.learn(op, code)

    def took_effect(self, result: TookEffect, deadline_s: float) -> None:
        """Learn nothing: returns fill no segment."""


class OtherQueue:
    """The tails of another queue on the same servers, where the items are new.

    Every write also checks the other queue's charter. So it obeys both charters in the state in
    which it takes effect.
    """

    def __init__(self, target: CharteredStore, tree: QueueTree) -> None:
        self._target = target
        self._tree = tree
        self._tails = TailSegments(target, tree, target.charter.segment_items)
        self._marked: set[str] = set()

    def ops(self, nodes: Nodes, deadline_s: float) -> list[Op]:
        """Append each item to its priority."""
        self._tails.roll_full(deadline_s)
        items = [(name, _as_new(node.data)) for name, node in nodes]
        headers = [envelope.unwrap(data)[0] for _, data in items]
        if any("ttr_s" in header for header in headers):
            self._mark("ttr", deadline_s)
        if any("group" in header for header in headers):
            self._require_groups()
            self._mark("groups", deadline_s)
        return [self._target.check(), *self._tails.appends(items, deadline_s)]

    def learn(self, op: Op, code: Code, deadline_s: float) -> bool:
        """Learn of a new charter of the other queue, and of its tails."""
        if op.path == self._tree.root:
            self._target.renew(self._target.check(), deadline_s)
            return True
        return self._tails.learn(op, code)

    def took_effect(self, result: TookEffect, deadline_s: float) -> None:
        """Learn how full the tails are, and roll those that are full."""
        self._tails.note_created(result.created or ())
        self._tails.roll_full(deadline_s)

    def _require_groups(self) -> None:
        if not self._target.lists(GROUPS):
            raise BadArgumentError(
                f"redrive: to: expected a queue whose clients all know groups, got "
                f"{self._tree.root}, which an older release made; upgrade it first"
            )

    def _mark(self, place: str, deadline_s: float) -> None:
        """Tell the clients of the other queue that it has times to run, or groups."""
        if place not in self._marked:
            create = [Create(self._tree.place(place))]
            commit_idempotent(
                self._target, "create", create, deadline_s, as_good={Code.NODE_EXISTS}
            )
            self._marked.add(place)


def move(
    store: Store,
    parent: str,
    destination: Destination,
    writes: OperatorWrites,
    *,
    label: str,
    n: int,
    is_wanted: Callable[[str], bool],
    deadline_s: float,
) -> Changed:
    """Move up to `n` items, whose names are wanted, from the place at the path `parent`.

    Each write takes effect as a whole: an item is in one place at any zxid. An item that cannot go
    where it should stays, and keeps no other from moving. Call this within `writes.call`.

    Raises:
        OutcomeUnknownError: no answer before the deadline.
        NotAppliedError: the servers refused, and nothing could be moved; or there was no quorum,
            and the writes before took effect.
    """
    stay: set[str] = set()
    moved, zxid = 0, None
    refused = _Refused(label)
    while moved < n and len(refused.errors) < MOST_REFUSED:
        listed = filter(is_wanted, names_aside(store, parent, deadline_s))
        left = [name for name in listed if name not in stay]
        paths = [f"{parent}/{name}" for name in left[: refused.batch(n - moved)]]
        denied: list[str] = []
        load, _ = read_load(store, paths, deadline_s, denied=denied.append)
        stay.update(map(last_part, denied))
        stay.update(
            last_part(path) for path, node in load if too_large(path, node.data, GROWTH_BYTES)
        )
        nodes = [(last_part(path), node) for path, node in load if last_part(path) not in stay]
        if not paths:
            break
        if not nodes:
            continue
        ops: list[Op] = [Delete(f"{parent}/{name}", node.version) for name, node in nodes]
        try:
            ops += destination.ops(nodes, deadline_s)
            result = writes.write(label, ops, deadline_s, count=len(nodes))
        except (AccessDeniedError, IncompatibleTreeError) as error:
            # The priority of one of them is damaged, or its ACL lets this client put nothing there.
            stay.update(refused.note(nodes, error))
            continue
        if isinstance(result, TookEffect):
            moved, zxid = moved + len(nodes), result.zxid
            destination.took_effect(result, deadline_s)
        elif result.code is Code.NOT_EMPTY:
            stay.add(last_part(ops[result.index].path))
        elif not destination.learn(ops[result.index], result.code, deadline_s):
            look_again(store, ops[result.index].path, label, result.code, deadline_s)
    if refused.errors and not moved:
        raise refused.errors[0]
    return Changed(moved, zxid)


class _Refused:
    """The items of one call that could not be moved, and how many go one at a time next."""

    def __init__(self, label: str) -> None:
        self.errors: list[NotAppliedError] = []
        self._label = label
        self._alone = 0

    def batch(self, most: int) -> int:
        """How many items to move next."""
        if self._alone:
            self._alone -= 1
            return 1
        return min(BATCH, most)

    def note(self, nodes: Nodes, error: NotAppliedError) -> list[str]:
        """Note that a write of these items failed; return the name of the one that has to stay.

        If there are several, none has to stay yet: each is tried alone first.
        """
        if isinstance(error, OutdatedClientError):
            raise error
        if len(nodes) > 1:
            self._alone = len(nodes)
            return []
        ((name, _),) = nodes
        self.errors.append(error)
        log.warning("%s: %s stays where it is: %s", self._label, name, error)
        return [name]


def _forgiven(data: bytes) -> bytes:
    """The item without the reason it was put aside. Its deliveries and its time count anew."""
    header, payload = envelope.unwrap(data)
    header = {key: header[key] for key in header if key not in OUTCOME_KEYS}
    return envelope.wrap(payload, header | {"forgiven": header.get("deliveries", 0)})


def _as_new(data: bytes) -> bytes:
    """The item without anything that happened to it in the queue it came from."""
    header, payload = envelope.unwrap(data)
    gone = OUTCOME_KEYS | HISTORY_KEYS
    return envelope.wrap(payload, {key: header[key] for key in header if key not in gone})
