"""Change a queue as an operator: kick and purge."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from zkmq.errors import NoQuorumError, NotAppliedError, OutcomeUnknownError
from zkmq.operating.inspection import names_aside
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope, item_names
from zkmq.tree.charter import SEGMENT_ITEMS
from zkmq.tree.guards import Guard
from zkmq.tree.paths import QueueTree, last_part
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.request_sizes import read_load, too_large
from zkmq.zookeeper.retries import commit_idempotent, may_retry
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetData,
    Lost,
    Op,
    Rejected,
    SetData,
    Store,
    Znode,
)

KICK_BATCH = 100

# Room for two operations. The header of an item that comes back gets shorter.
GROWTH_BYTES = 1000
# Producers expect the next segments after the tail. After a purge, none of those may exist.
PURGE_GAP = 1000


@dataclass(frozen=True, slots=True)
class Changed:
    """What `kick` or `purge` did: the number of items, or of priorities, and the last zxid.

    `zxid` is that of the last write; None if there was no write, or its reply was lost.
    """

    count: int
    zxid: int | None


@contextmanager
def _maybe_done() -> Iterator[None]:
    """Turn NoQuorumError into OutcomeUnknownError, since an earlier write may have taken effect."""
    try:
        yield
    except NoQuorumError as error:
        raise OutcomeUnknownError(f"{error}; some of it may have taken effect") from error


@_maybe_done()
def kick(store: Store, tree: QueueTree, n: int, place: str, deadline_s: float) -> Changed:
    """Bring up to `n` items back from `dead` or `partial` to their old places.

    Raises:
        OutcomeUnknownError: no answer before the deadline; some may have come back.
    """
    return_places = ReturnPlaces(tree, TailSegments(store, tree, SEGMENT_ITEMS))
    parent = tree.place(place)
    stay: set[str] = set()
    kicked, zxid = 0, None
    while kicked < n:
        names_left = [name for name in names_aside(store, parent, deadline_s) if name not in stay]
        paths = [f"{parent}/{name}" for name in names_left[: min(KICK_BATCH, n - kicked)]]
        load, _ = read_load(store, paths, deadline_s)
        stay.update(
            last_part(path) for path, node in load if too_large(path, node.data, GROWTH_BYTES)
        )
        nodes = [(last_part(path), node) for path, node in load if last_part(path) not in stay]
        if not paths:
            break
        if not nodes:
            continue
        ops: list[Op] = [Delete(f"{parent}/{name}", node.version) for name, node in nodes]
        ops += return_places.returns(
            [(name, _forgiven(node.data)) for name, node in nodes], deadline_s
        )
        match store.commit(ops, deadline_s):
            case Committed(zxid=written):
                kicked, zxid = kicked + len(nodes), written
            case Rejected(_, Code.NO_AUTH | Code.OTHER) if kicked:
                break
            case Rejected(index, Code.NOT_EMPTY):
                stay.add(last_part(ops[index].path))
            case Rejected(index, code, number):
                if not return_places.learn(ops[index], code):
                    _look_again(store, ops[index].path, "kick", (code, number), deadline_s)
            case Lost(reason):
                _pause(store, reason, deadline_s)
                store.sync(parent, deadline_s)
                left = store.list(parent, deadline_s) or []
                came = sum(name not in left for name, _ in nodes)
                kicked, zxid = kicked + came, None if came else zxid
    return Changed(kicked, zxid)


@_maybe_done()
def purge(
    store: Store, tree: QueueTree, priorities: Sequence[int] | None, deadline_s: float
) -> Changed:
    """Purge the waiting items of these priorities, or of all; count the priorities that exist.

    Makes one write for each priority, however many items wait. The janitor deletes the items later.
    Items that are held are not purged, not even when they come back.

    Raises:
        OutcomeUnknownError: no answer before the deadline; some priorities may have been purged.
    """
    store.sync(tree.items, deadline_s)
    children = store.list(tree.items, deadline_s) or []
    chosen = priorities if priorities is not None else item_names.priorities(children)
    _purge_flat(store, tree, [c for c in children if item_names.parse(c)], chosen, deadline_s)
    purged, zxid = 0, None
    for count, priority in enumerate(sorted(chosen)):
        try:
            there, written = _purge_one(store, tree, priority, deadline_s)
            purged, zxid = purged + there, written if there else zxid
        except NotAppliedError as error:
            if not count:
                raise
            raise OutcomeUnknownError(
                f"{error}; {count} of {len(chosen)} priorities were purged before"
            ) from error
    return Changed(purged, zxid)


def _purge_one(
    store: Store, tree: QueueTree, priority: int, deadline_s: float
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
        match store.commit(ops, deadline_s):
            case Committed(zxid=written):
                return True, written
            case Rejected(index, code, number):
                gap += code is Code.NODE_EXISTS  # a foreign client made that segment
                _look_again(store, ops[index].path, "purge", (code, number), deadline_s)
            case Lost(reason):
                _pause(store, reason, deadline_s)
                store.sync(path, deadline_s)


def _purge_flat(
    store: Store, tree: QueueTree, flat: Sequence[str], priorities: Sequence[int], deadline_s: float
) -> None:
    """Delete the items of the original one by one, since they are in no segment."""
    for name in flat:
        parsed = item_names.parse(name)
        if parsed is not None and parsed.priority in priorities:
            # It does not matter whether another client deleted or took it first.
            flat_item = [Delete(f"{tree.items}/{name}")]
            commit_idempotent(store, "purge", flat_item, deadline_s, as_good={Code.NO_NODE})


def _look_again(
    store: Store, path: str, what: str, refused: tuple[Code, int], deadline_s: float
) -> None:
    """Let the server catch up after a stale read.

    Raises:
        NotAppliedError: the refusal has another reason than a stale read.
        NoQuorumError: the deadline has passed.
    """
    code, number = refused
    if code in {Code.NO_AUTH, Code.OTHER}:
        raise refusal(path, what, code, number)
    if store.now() >= deadline_s:
        raise NoQuorumError(f"{path}: {what}: refused until the deadline ({code.name})")
    store.sync(path, deadline_s)


def _pause(store: Store, reason: str, deadline_s: float) -> None:
    if not may_retry(store, deadline_s):
        raise NoQuorumError(f"no answer in time ({reason})")


def _forgiven(data: bytes) -> bytes:
    """The item without the reason it was put aside. Its deliveries and its time count anew."""
    header, payload = envelope.unwrap(data)
    left_out = {"reason", "last_owner", "put_ms"}
    header = {key: header[key] for key in header if key not in left_out}
    return envelope.wrap(payload, header | {"forgiven": header.get("deliveries", 0)})
