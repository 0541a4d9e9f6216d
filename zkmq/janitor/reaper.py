"""Take items back from consumers that are dead, or that held them longer than their time to run."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from zkmq.errors import IncompatibleTreeError, OutdatedClientError
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.charter import SEGMENT_ITEMS
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.request_sizes import read_load, read_nodes, too_large
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Op,
    Read,
    Rejected,
    Store,
    Znode,
)

CLAIMS_PER_MULTI = 200
LISTS_AT_ONCE = 100
# After this many refusals of the same operation, a stale read is no longer the likely cause.
MAX_REFUSALS = 3
TAKEN_BACK = "its consumer died or held it too long"

log = logging.getLogger("zkmq.janitor")


@dataclass(frozen=True, slots=True)
class Returned:
    """Items that the janitor took back from a consumer.

    Attributes:
        consumer: the consumer that held them.
        names: their names while they were held.
        data: their payloads, in the same order.
        to: where they are now: "items" (available again), "partial" or "dead".
        zxid: when it took effect; None if the reply was lost, or another janitor did the same.
    """

    consumer: str
    names: tuple[str, ...]
    data: tuple[bytes, ...]
    to: str
    zxid: int | None


OnReturned = Callable[[Returned], None]
Claims = Sequence[tuple[str, Znode]]


@dataclass(slots=True)
class _Hold:
    """The claims of a dead consumer that the next write can move."""

    policy: RedeliveryPolicy
    claims: Claims
    # Whether more claims follow, and whether there are nodes that cannot be moved.
    more: bool
    blocked: bool
    has_place: bool


@dataclass(slots=True)
class _Refusals:
    """How often the same operation was refused in a row."""

    last: tuple[str, Code] | None = None
    count: int = 0

    def note(self, path: str, code: Code) -> int:
        self.count = self.count + 1 if self.last == (path, code) else 1
        self.last = (path, code)
        return self.count


class Reaper:
    """Takes claims back for one janitor. Not thread-safe; two at once do no harm."""

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        on_returned: OnReturned | None,
        skips: SkippedNodes | None = None,
    ) -> None:
        self._store = store
        self._tree = tree
        self._on_returned = on_returned
        self._skips = SkippedNodes(store, tree) if skips is None else skips
        self._return_places = ReturnPlaces(tree, TailSegments(store, tree, SEGMENT_ITEMS))
        # When the time to run of each claim ends, by the servers' clock; None if it has none.
        self._due_ms: dict[str, dict[str, float | None]] = {}

    def reap(self, consumer: str, deadline_s: float, until_s: float = math.inf) -> bool:
        """Move what a dead consumer held, and then remove it; False if there is more to do.

        Begins nothing after `until_s`.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        unsure: Sequence[Returned] = ()
        refusals = _Refusals()
        while True:
            hold = self._hold_of(consumer, deadline_s)
            if hold is None:
                # Removed by our write whose reply was lost, or by another janitor.
                self._report(unsure)
                return True
            closing = not hold.more and not hold.blocked and refusals.count < MAX_REFUSALS
            if not (hold.claims or hold.more or closing):
                self._skips.add(self._tree.consumer(consumer), "it has nodes that are no items")
                return True
            ops, returned = self._reaping(consumer, hold, closing=closing, deadline_s=deadline_s)
            reply = self._store.commit(ops, deadline_s)
            if isinstance(reply, Committed):
                self._report([replace(each, zxid=reply.zxid) for each in returned])
                unsure = ()
            elif isinstance(reply, Lost):
                unsure = returned
                if not self._store.wait_connected(deadline_s):
                    return False
            elif reply == Rejected(0, Code.NODE_EXISTS) or not self._learn(
                consumer, ops[reply.index], reply.code, refusals, deadline_s
            ):
                return True  # the consumer lives, or it cannot be reaped
            if self._store.now() >= min(until_s, deadline_s):
                return False

    def take_overdue(
        self,
        consumers: Sequence[str],
        now_ms: float,
        deadline_s: float,
        until_s: float = math.inf,
    ) -> int:
        """Take back items that live consumers hold longer than their time to run.

        Returns how many of the consumers, from the first on, it looked at before `until_s`; at
        least one.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        looked = 0
        while looked < len(consumers):
            part = consumers[looked : looked + LISTS_AT_ONCE]
            reads: list[Read] = [GetChildren(self._tree.claims(consumer)) for consumer in part]
            held = self._store.read_many(reads, deadline_s).results
            for consumer, listed in zip(part, held, strict=True):
                claims = listed if isinstance(listed, list) else []
                self._take_overdue_of(consumer, claims, now_ms, deadline_s)
                looked += 1
                if self._store.now() >= min(until_s, deadline_s):
                    return looked
        return looked

    def forget_others(self, consumers: Iterable[str]) -> None:
        """Forget the claims of all consumers but these."""
        known = set(consumers)
        self._due_ms = {each: due for each, due in self._due_ms.items() if each in known}

    def _take_overdue_of(
        self, consumer: str, listed: Sequence[str], now_ms: float, deadline_s: float
    ) -> None:
        parent = self._tree.claims(consumer)
        paths = [f"{parent}/{name}" for name in listed if item_names.parse(name)]
        known = self._due_ms.get(consumer, {})
        due = self._due_ms[consumer] = {path: known[path] for path in paths if path in known}
        look = [path for path in paths if _may_be_over(due, path, now_ms)]
        for path, node in self._read(
            [path for path in look if path not in self._skips], deadline_s
        ):
            header, _ = envelope.unwrap(node.data)
            ttr_s = header.get("ttr_s")
            over_ms = None if ttr_s is None else node.mtime_ms + ttr_s * 1000
            due[path] = over_ms
            if over_ms is not None and over_ms <= now_ms:
                self._take(consumer, path, node, deadline_s)
                due.pop(path, None)  # taken back or touched; if neither, read it again next time

    def _take(self, consumer: str, path: str, node: Znode, deadline_s: float) -> None:
        """Take back one claim, unless its consumer touched or ended it since the read."""
        if reason := too_large(path, node.data):
            self._skips.add(path, reason)
            return
        (registration,) = self._store.read_many(
            [GetData(self._tree.consumer(consumer))], deadline_s
        ).results
        if not isinstance(registration, Znode):
            return
        claim = (last_part(path), node)
        policy = RedeliveryPolicy.decode(registration.data)
        while self._store.now() < deadline_s:
            ops, returned = self._moves(consumer, policy, [claim], deadline_s)
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    self._report([replace(each, zxid=zxid) for each in returned])
                    return
                case Rejected(index, code) if self._return_places.learn(ops[index], code):
                    continue
                case Rejected(0, Code.NOT_EMPTY):
                    self._skips.add(path, "it has children")
            return

    def _learn(
        self, consumer: str, op: Op, code: Code, refusals: "_Refusals", deadline_s: float
    ) -> bool:
        """Learn from a refusal; False if this consumer cannot be reaped."""
        if self._return_places.learn(op, code):
            return True
        if code is Code.NOT_EMPTY and item_names.parse(last_part(op.path)):
            self._skips.add(op.path, "it has children")
            return True
        if refusals.note(op.path, code) > MAX_REFUSALS:
            self._skips.add(self._tree.consumer(consumer), f"{op.path}: refused ({code.name})")
            return False
        # The read was stale: there is one claim more, or one less.
        self._store.sync(self._tree.consumers, deadline_s)
        return True

    def _hold_of(self, consumer: str, deadline_s: float) -> _Hold | None:
        """Read the first claims, as many as one write can move; None if the consumer is gone."""
        parent = self._tree.claims(consumer)
        reads: list[Read] = [GetData(self._tree.consumer(consumer)), GetChildren(parent)]
        registration, children = self._store.read_many(reads, deadline_s).results
        if not isinstance(registration, Znode):
            return None
        listed = sorted(children) if isinstance(children, list) else []
        ours = [name for name in listed if item_names.parse(name)]
        self._skips.add_foreign(parent, (name for name in listed if not item_names.parse(name)))
        free = [path for name in ours if (path := f"{parent}/{name}") not in self._skips]
        load, whole = read_load(self._store, free[:CLAIMS_PER_MULTI], deadline_s)
        claims = [(last_part(path), node) for path, node in load if self._fits(path, node)]
        return _Hold(
            policy=RedeliveryPolicy.decode(registration.data),
            claims=claims,
            more=len(free) > CLAIMS_PER_MULTI or not whole,
            blocked=len(free) < len(listed) or len(claims) < len(load),
            has_place=isinstance(children, list),
        )

    def _fits(self, path: str, node: Znode) -> bool:
        reason = too_large(path, node.data)
        if reason is not None:
            self._skips.add(path, reason)
        return reason is None

    def _read(self, paths: Sequence[str], deadline_s: float) -> Iterable[tuple[str, Znode]]:
        return read_nodes(self._store, paths, deadline_s)

    def _reaping(
        self, consumer: str, hold: _Hold, *, closing: bool, deadline_s: float
    ) -> tuple[list[Op], list[Returned]]:
        """The operations that move the claims, and with `closing` remove the registration."""
        active = self._tree.active(consumer)
        moves, returned = self._moves(consumer, hold.policy, hold.claims, deadline_s)
        # Creating and deleting `active` fails if it exists, that is, if the consumer lives.
        ops: list[Op] = [Create(active), Delete(active), *moves]
        if closing:
            ops += [Delete(self._tree.claims(consumer))] if hold.has_place else []
            ops.append(Delete(self._tree.consumer(consumer)))
        return ops, returned

    def _moves(
        self, consumer: str, policy: RedeliveryPolicy, claims: Claims, deadline_s: float
    ) -> tuple[list[Op], list[Returned]]:
        """The operations that move claims to where the policy says, and the report about them."""
        ops: list[Op] = []
        by_place: dict[str, list[tuple[str, bytes]]] = {}
        home: list[tuple[str, bytes]] = []
        for name, node in claims:
            ops.append(Delete(self._tree.claim(consumer, name), node.version))
            header, payload = envelope.unwrap(node.data)
            place, reason = self._place(policy, header, name, deadline_s)
            by_place.setdefault(place, []).append((name, payload))
            if place == "items":
                home.append((name, node.data))
                continue
            header |= {"reason": reason, "last_owner": consumer}
            path = self._return_places.next_path(self._tree.place(place), name)
            ops.append(Create(path, envelope.wrap(payload, header)))
        ops += self._return_places.returns(home, deadline_s)
        returned = [
            Returned(consumer, tuple(n for n, _ in moved), tuple(d for _, d in moved), place, None)
            for place, moved in by_place.items()
        ]
        return ops, returned

    def _place(
        self, policy: RedeliveryPolicy, header: envelope.Header, name: str, deadline_s: float
    ) -> tuple[str, str]:
        """The place to which an item goes, and the reason."""
        place = policy.place_after_crash(header)
        if place == "items":
            try:
                self._return_places.find(name, deadline_s)
            except OutdatedClientError:
                raise
            except IncompatibleTreeError as error:
                return "dead", f"it cannot return to its place: {error}"
        return place, TAKEN_BACK

    def _report(self, returned: Sequence[Returned]) -> None:
        for each in returned if self._on_returned is not None else ():
            try:
                self._on_returned(each)  # type: ignore[misc]
            except Exception:
                log.exception("janitor: on_returned failed for items of %s", each.consumer)


def _may_be_over(due: dict[str, float | None], path: str, now_ms: float) -> bool:
    over_ms = due.get(path, -math.inf)  # not read yet
    return over_ms is not None and over_ms <= now_ms
