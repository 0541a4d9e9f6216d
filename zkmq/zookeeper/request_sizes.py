"""How much is moved together: what a server takes of one request, and gives in one answer."""

from collections.abc import Iterable, Iterator, Sequence

from zkmq.zookeeper.store import MAX_REQUEST_BYTES, GetData, Store, Znode

# What goes along with the operations of a call: its ticket.
TICKET_BYTES = 2_048
MAX_CALL_BYTES = MAX_REQUEST_BYTES - TICKET_BYTES
MAX_WRITE_BYTES = 1_000_000
# What moving an item takes beside its value: two paths, a header, two operations.
ITEM_OVERHEAD_BYTES = 512
# The longest header, by a reason of 1,000 characters of which JSON makes 12 bytes each.
MAX_HEADER_BYTES = 16_000
# How many nodes are read at first, while their size is not known.
FIRST_READS = 16
MAX_READS = 500


def too_large(path: str, data: bytes, growth_bytes: int = MAX_HEADER_BYTES) -> str | None:
    """Why no write can move a node whose header grows by so much; None if one can."""
    most = MAX_REQUEST_BYTES - growth_bytes - 4 * len(path)
    if len(data) <= most:
        return None
    return f"expected an item of at most {most} bytes, which can be moved, got {len(data)}"


def fitting_sizes(sizes: Iterable[int], used: int = 0) -> int:
    """How many of the first, with these sizes in bytes, fit one call beside what is `used`."""
    count = 0
    for size in sizes:
        used += size
        if used > MAX_CALL_BYTES:
            break
        count += 1
    return count


def fitting(values: Sequence[bytes]) -> int:
    """How many of the first values one write can carry; one, at least."""
    total = 0
    for count, value in enumerate(values):
        total += len(value) + ITEM_OVERHEAD_BYTES
        if total > MAX_WRITE_BYTES and count:
            return count
    return len(values)


def read_nodes(
    store: Store, paths: Sequence[str], deadline_s: float
) -> Iterator[tuple[str, Znode]]:
    """The nodes that are there, in order; reads as many at once as one write could carry.

    Raises:
        NoQuorumError: no answer before the deadline.
    """
    start, at_once = 0, FIRST_READS
    while start < len(paths):
        part = paths[start : start + at_once]
        results = store.read_many([GetData(path) for path in part], deadline_s).results
        nodes = [(path, node) for path, node in zip(part, results, strict=True)]
        found = [(path, node) for path, node in nodes if isinstance(node, Znode)]
        yield from found
        start += len(part)
        mean = sum(len(node.data) for _, node in found) // max(1, len(found))
        at_once = min(MAX_READS, max(1, MAX_WRITE_BYTES // (mean + ITEM_OVERHEAD_BYTES)))


def read_load(
    store: Store, paths: Sequence[str], deadline_s: float
) -> tuple[list[tuple[str, Znode]], bool]:
    """The first of the nodes, as many as one write can move; and whether that is all of them.

    Raises:
        NoQuorumError: no answer before the deadline.
    """
    load: list[tuple[str, Znode]] = []
    size = 0
    for path, node in read_nodes(store, paths, deadline_s):
        size += len(node.data) + ITEM_OVERHEAD_BYTES
        if size > MAX_WRITE_BYTES and load:
            return load, False
        load.append((path, node))
    return load, True
