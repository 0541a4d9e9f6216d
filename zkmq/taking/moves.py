"""A move: the two operations of a claim that take one item from where it waits to its consumer."""

from collections.abc import Sequence
from typing import NamedTuple

from zkmq.taking.group_locks import GroupLocks
from zkmq.taking.head_cache import Candidate
from zkmq.tree import envelope
from zkmq.tree.item import Item
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.request_sizes import MAX_CALL_BYTES, fitting_sizes
from zkmq.zookeeper.store import Create, Delete, Op, Store


class Move(NamedTuple):
    """An item, where it waits, and the operations that claim it."""

    candidate: Candidate
    item: Item
    ops: tuple[Op, Op]

    @classmethod
    def to(cls, consumer: str, candidate: Candidate, tree: QueueTree) -> "Move":
        """The move of a waiting item to a consumer, with one delivery more in its header."""
        header, payload = envelope.unwrap(candidate.node.data)
        header.pop("owner", None)
        header["deliveries"] = header.get("deliveries", 0) + 1
        header.setdefault("put_zxid", candidate.node.czxid)
        header.setdefault("put_ms", candidate.node.ctime_ms)
        item = Item(
            payload,
            candidate.name,
            consumer,
            header["deliveries"],
            None,
            header["put_zxid"],
            header=header,
        )
        claim = Create(tree.claim(consumer, item.name), envelope.wrap(payload, header))
        return cls(candidate, item, (claim, Delete(candidate.path, candidate.node.version)))

    def locks(self, locks: GroupLocks) -> list[Op]:
        """The operation that locks the group of the item; none without a group."""
        return locks.lock(self.item.header, self.item.name)


def fitting(store: Store, locks: GroupLocks, moves: Sequence[Move], rest: Sequence[Op]) -> int:
    """How many of the first moves fit one write together with the `rest`; may be none."""
    each = [(*move.ops, *move.locks(locks)) for move in moves]
    if store.weigh([*rest, *(op for ops in each for op in ops)]) <= MAX_CALL_BYTES:
        return len(moves)
    return fitting_sizes(map(store.weigh, each), store.weigh(rest))
