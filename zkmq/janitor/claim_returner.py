"""Move claims back to where their consumers' policies say, and report what was moved."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zkmq import events
from zkmq.errors import AccessDeniedError, IncompatibleTreeError, OutdatedClientError
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.group_locks import GroupLocks
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.compatibility.charter import SEGMENT_ITEMS
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.tree.skipped_nodes import SkippedNodes
from zkmq.zookeeper.request_sizes import too_large
from zkmq.zookeeper.store import CheckVersion, Code, Create, Delete, Op, Store, Znode

TAKEN_BACK = "its consumer died or held it too long"
LAST_DELIVERY = f"{TAKEN_BACK}, and that was its last delivery"

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


class ClaimReturner:
    """Builds the operations that take claims back, for one janitor. Not thread-safe."""

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        on_returned: OnReturned | None,
        skips: SkippedNodes | None = None,
    ) -> None:
        self._tree = tree
        self._on_returned = on_returned
        self.skips = SkippedNodes(store, tree) if skips is None else skips
        self._return_places = ReturnPlaces(tree, TailSegments(store, tree, SEGMENT_ITEMS))
        self._group_locks = GroupLocks(tree)

    def moves(
        self, consumer: str, policy: RedeliveryPolicy, claims: Claims, deadline_s: float
    ) -> tuple[list[Op], list[Returned]]:
        """The operations that move claims to where the policy says, and the report about them."""
        ops: list[Op] = []
        by_place: dict[str, list[tuple[str, bytes]]] = {}
        back: list[tuple[str, bytes]] = []
        for name, node in claims:
            ops.append(Delete(self._tree.claim(consumer, name), node.version))
            header, payload = envelope.unwrap(node.data)
            place, reason = self._place(policy, header, name, deadline_s)
            by_place.setdefault(place, []).append((name, payload))
            if place == "items":
                back.append((name, node.data))
                continue
            header |= {"reason": reason, "last_owner": consumer}
            path = self._return_places.next_path(self._tree.place(place), name)
            ops.append(Create(path, envelope.wrap(payload, header)))
        ops += self._return_places.returns(back, deadline_s)
        ops += self._group_locks.unlocks(envelope.unwrap(node.data)[0] for _, node in claims)
        returned = [
            Returned(consumer, tuple(n for n, _ in moved), tuple(d for _, d in moved), place, None)
            for place, moved in by_place.items()
        ]
        return ops, returned

    def learn(self, op: Op, code: Code) -> bool:
        """Learn why an operation of `moves` was refused; False if it says nothing about places."""
        return self._group_locks.learn(op, code) or self._return_places.learn(op, code)

    def fits(self, path: str, node: Znode, policy: RedeliveryPolicy, deadline_s: float) -> bool:
        """Whether a write can move this claim. If not, skip the claim."""
        reason = too_large(path, node.data)
        if reason is None and policy.place_after_crash(envelope.unwrap(node.data)[0]) == "items":
            reason = self._closed(last_part(path), deadline_s)
        if reason is not None:
            self.skips.add(path, reason)
        return reason is None

    def held_up(self, op: Op, ops: Sequence[Op]) -> set[str]:
        """The ids of the items that cannot go where `ops` say, because `op` may not be done."""
        match op:
            case Create(path) if item_names.parse(last_part(path)):
                folder = path.rpartition("/")[0]  # it is the parent's ACL that counts
            case Create(path) if path.startswith(f"{self._tree.items}/"):
                folder = path
            case CheckVersion(path) if path.startswith(f"{self._tree.items}/"):
                folder = path[: len(self._tree.priority(0))]
            case _:
                return set()
        names = [
            last_part(each.path)
            for each in ops
            if isinstance(each, Create) and each.path.startswith(f"{folder}/")
        ]
        return {item_names.base(name) for name in names if item_names.parse(name)}

    def report(self, returned: Sequence[Returned], zxid: int | None = None) -> None:
        """Log what was moved at `zxid`, and call `on_returned`. Its errors are only logged."""
        for each in returned:
            self._log(each, zxid)
            if self._on_returned is None:
                continue
            try:
                self._on_returned(replace(each, zxid=zxid))
            except Exception:
                log.exception("janitor: on_returned failed for items of %s", each.consumer)

    def _log(self, returned: Returned, zxid: int | None) -> None:
        event = events.ITEM_DEAD if returned.to == "dead" else events.ITEM_RETURNED
        events.tell(
            event,
            self._tree.root,
            f"the janitor moved {events.shown(returned.names)} of {returned.consumer} to "
            f"{returned.to}: {TAKEN_BACK}",
            consumer=returned.consumer,
            to=returned.to,
            zxid=zxid,
            **events.items_of(returned.names),
        )

    def _closed(self, name: str, deadline_s: float) -> str | None:
        """Say that the priority of an item may not be read, so that it cannot return to it."""
        path = self._tree.priority(item_names.priority_of(name))
        if path not in self.skips:
            try:
                self._return_places.find(name, deadline_s)
            except AccessDeniedError:
                self.skips.deny(path)
            except IncompatibleTreeError as error:
                if isinstance(error, OutdatedClientError):
                    raise
                # `moves` makes it a dead letter.
        return f"{path} may not be read" if path in self.skips else None

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
        return place, LAST_DELIVERY if place == "dead" else TAKEN_BACK
