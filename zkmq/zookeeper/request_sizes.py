"""How much fits in one request or one answer, and reads and writes cut to that size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from typing import TypeVar

from zkmq.zookeeper.store import MAX_REQUEST_BYTES, Denied, GetData, Store, Znode

# Room for the ticket in each request.
TICKET_BYTES = 2_048
MAX_CALL_BYTES = MAX_REQUEST_BYTES - TICKET_BYTES
MAX_WRITE_BYTES = 1_000_000
# What moving an item needs in addition to its payload: two paths, a header, two operations.
ITEM_OVERHEAD_BYTES = 512
# The longest header: a reason has 1,000 characters, and JSON can make 12 bytes of each.
MAX_HEADER_BYTES = 16_000
# The number of nodes in the first read, while their size is not known.
FIRST_READS = 16
MAX_READS = 500


def too_large(path: str, data: bytes, growth_bytes: int = MAX_HEADER_BYTES) -> str | None:
    """Say why no write can move a node whose header grows by `growth_bytes`; None if one can."""
    most = MAX_REQUEST_BYTES - growth_bytes - 4 * len(path)
    if len(data) <= most:
        return None
    return f"expected an item of at most {most} bytes, which can be moved, got {len(data)}"


T = TypeVar("T")


def cut(
    values: Sequence[T], most: int, *limits: tuple[Callable[[T], int], int]
) -> Iterator[Sequence[T]]:
    """Cut into parts of at most `most` values; at least one value in each.

    `limits` are (size of a value, most for the sum of these sizes in a part).
    """
    start, used = 0, [0] * len(limits)
    for index, value in enumerate(values):
        sizes = [size(value) for size, _ in limits]
        used = list(map(add, used, sizes))
        is_over = any(sum_ > limit for sum_, (_, limit) in zip(used, limits, strict=True))
        if index > start and (index - start >= most or is_over):
            yield values[start:index]
            start, used = index, sizes
    if start < len(values):
        yield values[start:]


def fitting_sizes(sizes: Iterable[int], used: int = 0) -> int:
    """How many of the first sizes fit in one request in which `used` bytes are taken already."""
    count = 0
    for size in sizes:
        used += size
        if used > MAX_CALL_BYTES:
            break
        count += 1
    return count


def fitting(values: Sequence[bytes]) -> int:
    """How many of the first values one write can carry; at least one."""
    total = 0
    for count, value in enumerate(values):
        total += len(value) + ITEM_OVERHEAD_BYTES
        if total > MAX_WRITE_BYTES and count:
            return count
    return len(values)


def read_each(
    store: Store, paths: Sequence[str], deadline_s: float, *, denied: Denied | None = None
) -> Iterator[Znode | None]:
    """Read small nodes, 500 in one request; None for each that does not exist.

    `denied` is called with each that may not be read, which is None then.

    Raises:
        AccessDeniedError: one may not be read, and there is no `denied`.
    """
    for part in cut(paths, MAX_READS):
        reads = [GetData(path) for path in part]
        for node in store.read_many(reads, deadline_s, denied=denied).results:
            yield node if isinstance(node, Znode) else None


def read_nodes(
    store: Store, paths: Sequence[str], deadline_s: float, *, denied: Denied | None = None
) -> Iterator[tuple[str, Znode]]:
    """Read nodes, and yield those that exist, in order. One request reads what one write can carry.

    `denied` is as for `read_each`.
    """
    start, at_once = 0, FIRST_READS
    while start < len(paths):
        part = paths[start : start + at_once]
        reads = [GetData(path) for path in part]
        results = store.read_many(reads, deadline_s, denied=denied).results
        nodes = [(path, node) for path, node in zip(part, results, strict=True)]
        found = [(path, node) for path, node in nodes if isinstance(node, Znode)]
        yield from found
        start += len(part)
        mean = sum(len(node.data) for _, node in found) // max(1, len(found))
        at_once = min(MAX_READS, max(1, MAX_WRITE_BYTES // (mean + ITEM_OVERHEAD_BYTES)))


def read_load(
    store: Store, paths: Sequence[str], deadline_s: float, *, denied: Denied | None = None
) -> tuple[list[tuple[str, Znode]], bool]:
    """Read as many of the first nodes as one write can move; also return whether that is all.

    `denied` is as for `read_each`.
    """
    load: list[tuple[str, Znode]] = []
    size = 0
    for path, node in read_nodes(store, paths, deadline_s, denied=denied):
        size += len(node.data) + ITEM_OVERHEAD_BYTES
        if size > MAX_WRITE_BYTES and load:
            return load, False
        load.append((path, node))
    return load, True
