"""The items of a put, cut into writes, and the result for each item."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from zkmq.doubt import Write
from zkmq.putting.entry import Entry
from zkmq.zookeeper.request_sizes import cut

MAX_BATCH_ITEMS = 500
MAX_BATCH_BYTES = 256 * 1024
ITEM_OVERHEAD_BYTES = 200


@dataclass(frozen=True, slots=True)
class Put:
    """One item that is in the queue exactly once.

    Attributes:
        name: the item's name; None if the reply that had it was lost, or if the item is delayed.
        zxid: when the put took effect; None if the reply was lost and later puts have hidden it.
        attempts: how often the put was sent.
        duplicate: nothing was put, because an item with this `dedup_id` was put before.
    """

    name: str | None
    zxid: int | None
    attempts: int
    duplicate: bool = False


@dataclass(slots=True)
class PutBatch:
    """Entries that go in one write. `rest` are the indexes in `puts` that are still to be filled.

    `write` has the outcome once that is known, whatever became of the call. An entry that repeats
    the id of another one in the same write is a duplicate at once.
    """

    serial: int
    entries: list[Entry]
    puts: list[Put | None] = field(init=False)
    rest: list[int] = field(default_factory=list)
    write: Write = field(init=False)

    def __post_init__(self) -> None:
        self.write = Write("put", len(self.entries))
        self.puts = [None] * len(self.entries)
        ids: set[str] = set()
        for index, entry in enumerate(self.entries):
            if entry.dedup_id is not None and entry.dedup_id in ids:
                self.puts[index] = Put(None, None, 0, duplicate=True)
                continue
            self.rest.append(index)
            if entry.dedup_id is not None:
                ids.add(entry.dedup_id)

    @property
    def open(self) -> list[Entry]:
        """The entries that are not put yet."""
        return [self.entries[index] for index in self.rest]

    def strike_off(self, dedup_hash: str) -> None:
        """Mark the entries with this id as duplicates, which are not put."""
        for index in list(self.rest):
            entry = self.entries[index]
            if entry.dedup_id is not None and entry.dedup_hash == dedup_hash:
                self.puts[index] = Put(None, None, 1, duplicate=True)
                self.rest.remove(index)


def puts_of(batches: Iterable[PutBatch]) -> tuple[Put, ...]:
    """The results of the writes that are complete."""
    done = (each for each in batches if not each.rest)
    return tuple(put for each in done for put in each.puts if put is not None)


def write_bytes(entry: Entry) -> int:
    """Estimate the bytes of an entry in a write."""
    return len(entry.data) + entry.about_bytes + ITEM_OVERHEAD_BYTES


def writes_of(
    entries: Sequence[Entry], most: int, *limits: tuple[Callable[[Entry], int], int]
) -> Iterator[Sequence[Entry]]:
    """Cut entries into writes of at most `most` and MAX_BATCH_BYTES; `limits` are as of `cut`."""
    return cut(entries, most, (write_bytes, MAX_BATCH_BYTES), *limits)
