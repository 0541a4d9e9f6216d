"""Purge a queue, and what every change by an operator tells."""

from collections.abc import Sequence
from dataclasses import dataclass

from zkmq.errors import (
    AccessDeniedError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
    OutdatedClientError,
    ServerRefusedError,
)
from zkmq.operating.operator_writes import OperatorWrites
from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree
from zkmq.tree.ticket import TookEffect
from zkmq.zookeeper.retries import commit_idempotent
from zkmq.zookeeper.store import Code, Create, Delete, GetData, Op, SetData, Store, Znode

# Producers expect the next segments after the tail. After a purge, none of those may exist.
PURGE_GAP = 1000


@dataclass(frozen=True, slots=True)
class Changed:
    """What an operator's call did: the number of items, or of priorities, and the last zxid.

    `zxid` is that of the last write; None if there was no write, or its reply was lost.
    """

    count: int
    zxid: int | None


def purge(
    store: Store,
    tree: QueueTree,
    priorities: Sequence[int] | None,
    writes: OperatorWrites,
    deadline_s: float,
) -> Changed:
    """Purge the waiting items of these priorities, or of all; count the priorities that exist.

    Makes one write for each priority, however many items wait. The janitor deletes the items later.
    Items that are held are not purged, not even when they come back. Call this within
    `writes.call`.

    One that the servers refuse to change keeps no other from being purged.

    Raises:
        OutcomeUnknownError: no answer before the deadline, or the servers refused some; others may
            have been purged.
        NotAppliedError: the servers refused, and nothing was purged.
    """
    store.sync(tree.items, deadline_s)
    children = store.list(tree.items, deadline_s) or []
    chosen = priorities if priorities is not None else item_names.priorities(children)
    flat = [child for child in children if _is_flat(child, chosen)]
    refused = _purge_flat(store, tree, flat, deadline_s)
    done, is_begun = 0, len(flat) > len(refused)
    purged, zxid = 0, None
    for priority in sorted(chosen):
        try:
            there, written = _purge_one(store, tree, priority, writes, deadline_s)
        except (AccessDeniedError, ServerRefusedError) as error:
            refused.append(error)
            continue
        except NotAppliedError as error:
            if not (done or is_begun):
                raise
            raise _half_way(error, done, chosen) from error
        purged, zxid = purged + there, written if there else zxid
        done += 1
    if not refused:
        return Changed(purged, zxid)
    if not (done or is_begun):
        raise refused[0]
    raise _half_way(refused[0], done, chosen) from refused[0]


def look_again(store: Store, path: str, what: str, code: Code, deadline_s: float) -> None:
    """Let the server catch up after a stale read.

    Raises:
        NoQuorumError: the deadline has passed.
    """
    if store.now() >= deadline_s:
        raise NoQuorumError(f"{path}: {what}: refused until the deadline ({code.name})")
    store.sync(path, deadline_s)


def _purge_one(
    store: Store, tree: QueueTree, priority: int, writes: OperatorWrites, deadline_s: float
) -> tuple[bool, int | None]:
    """Purge one priority; return whether it exists, and the zxid of the write, if there was one."""
    path = tree.priority(priority)
    goal: int | None = None
    gap = PURGE_GAP
    while True:
        (node,) = store.read_many([GetData(path)], deadline_s).results
        guard = Guard.read(node.data, node.version) if isinstance(node, Znode) else None
        if guard is None:
            return False, None
        goal = guard.tail if goal is None else goal
        if guard.purged >= goal:
            return True, None
        purged = Guard(guard.tail + gap, guard.tail)
        ops: list[Op] = [
            Create(tree.segment(priority, purged.tail_name)),
            SetData(path, purged.encode(), guard.version),
        ]
        result = writes.write("purge", ops, deadline_s, count=1)
        if isinstance(result, TookEffect):
            return True, result.zxid
        gap += result.code is Code.NODE_EXISTS  # a foreign client made that segment
        look_again(store, ops[result.index].path, "purge", result.code, deadline_s)


def _half_way(error: Exception, done: int, chosen: Sequence[int]) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"{error}; {done} of {len(chosen)} priorities were purged")


def _is_flat(name: str, priorities: Sequence[int]) -> bool:
    """Whether this is an item of the original, which is in no segment."""
    parsed = item_names.parse(name)
    return parsed is not None and parsed.priority in priorities


def _purge_flat(
    store: Store, tree: QueueTree, flat: Sequence[str], deadline_s: float
) -> list[NotAppliedError]:
    """Delete the items of the original one by one; return why some could not be deleted.

    It does not matter whether another client deleted or took one first.
    """
    refused: list[NotAppliedError] = []
    for count, name in enumerate(flat):
        delete = [Delete(f"{tree.items}/{name}")]
        try:
            commit_idempotent(store, "purge", delete, deadline_s, as_good={Code.NO_NODE})
        except IncompatibleTreeError as error:  # it has children
            if isinstance(error, OutdatedClientError):
                raise
            refused.append(error)
        except NotAppliedError as error:
            if not count and not isinstance(error, NoQuorumError):
                raise
            raise OutcomeUnknownError(f"{error}; some of it may have taken effect") from error
    return refused
