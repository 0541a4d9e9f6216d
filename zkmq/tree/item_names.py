"""Item names: identity, order and delivery attempt in one string that sorts as the queue does.

`item-100-0000000003-0000000123.001` is priority 100, segment 3, number 123, returned once. The
part before the dot identifies the item. The part after it, the generation, grows with each return,
so that no path ever occurs twice. A name without a segment is one of the original's flat layout.

Clients read every name that they list with these functions. Any client of the servers can create
nodes with other names. For those each function returns None, and no client touches them.
"""

import re
from collections.abc import Collection, Iterable
from itertools import count
from typing import NamedTuple

MAX_PRIORITY = 999
# Not \d, which matches the digits of every script. A server's counter is an int32 that wraps.
NUMBER = r"[0-9]{10}|-[0-9]{10}"
GENERATION = r"[0-9]{3,9}"
ITEM = re.compile(rf"item-([0-9]{{3}})-(?:([0-9]{{10}})-)?({NUMBER})(?:\.({GENERATION}))?")
IN_SEGMENT = re.compile(rf"item-[0-9]{{3}}-[0-9]{{10}}-(?:{NUMBER})(?:\.{GENERATION})?")
DELAYED = re.compile(r"d-[0-9]{3}-.+", re.DOTALL)
PRIORITY = re.compile(r"[0-9]{3}")
SEGMENT = re.compile(r"[0-9]{10}r?")
BUCKET = re.compile(r"[0-9]{10}")
CONSUMER = re.compile(r"consumer-[0-9A-Za-z._-]{1,200}")
WAITER = re.compile(rf"w-.*?-({NUMBER})", re.DOTALL)


class ItemName(NamedTuple):
    """A parsed item name. `segment` is None in the original's flat layout."""

    priority: int
    segment: int | None
    number: int
    generation: int

    def __str__(self) -> str:
        """Format the name as the tree has it."""
        segment = "" if self.segment is None else f"{self.segment:010d}-"
        generation = f".{self.generation:03d}" if self.generation else ""
        return f"item-{self.priority:03d}-{segment}{self.number:010d}{generation}"


def parse(name: str) -> ItemName | None:
    """Split an item name; None if it is not one."""
    match = ITEM.fullmatch(name)
    if match is None:
        return None
    priority, segment, number, generation = match.groups()
    return ItemName(
        int(priority), None if segment is None else int(segment), int(number), int(generation or 0)
    )


def priority(name: str) -> int | None:
    """The number of a priority, from its node's name; None if it is another child of `items`."""
    return int(name) if PRIORITY.fullmatch(name) else None


def priorities(children: Iterable[str]) -> list[int]:
    """The priorities among the children of `items`, most urgent first."""
    return sorted(number for child in children if (number := priority(child)) is not None)


def segments(children: Iterable[str]) -> list[str]:
    """The segments, and those of returns, among a priority's children, in order."""
    return sorted(child for child in children if SEGMENT.fullmatch(child))


def items(children: Iterable[str], priority: int) -> list[str]:
    """The items of a priority among the children of one of its segments, in order."""
    start = f"item-{priority:03d}-"
    matches = IN_SEGMENT.fullmatch
    return sorted(child for child in children if child.startswith(start) and matches(child))


def buckets(children: Iterable[str]) -> list[str]:
    """The buckets of delayed items or of ids, or the epochs of the waiting line, in order."""
    return sorted(child for child in children if BUCKET.fullmatch(child))


def priority_of(name: str) -> int:
    """The priority in the name of an item, delayed or not."""
    return int(name.split("-")[1])


def is_delayed(name: str) -> bool:
    """Whether a name is that of a delayed item: a new one, or one released with a delay."""
    return DELAYED.fullmatch(name) is not None or parse(name) is not None


def waiter(name: str) -> int | None:
    """The number of a place in the waiting line; None if the name is another's."""
    match = WAITER.fullmatch(name)
    return int(match[1]) if match else None


def waiters(children: Iterable[str]) -> list[str]:
    """The places in the waiting line among an epoch's children, in order of arrival."""
    numbered = [(number, child) for child in children if (number := waiter(child)) is not None]
    # The counter is an int32 that wraps, so negative numbers came last.
    return [child for _, child in sorted(numbered, key=lambda each: (each[0] < 0, each))]


def is_consumer(name: str) -> bool:
    """Whether a name is that of a consumer's registration."""
    return CONSUMER.fullmatch(name) is not None


def is_producer(name: str) -> bool:
    """Whether a name is that of a producer's ticket."""
    return name.startswith("producer-")


def next_generation(name: str) -> str:
    """The name of the same item after one more return."""
    base, _, generation = name.partition(".")
    return f"{base}.{int(generation or 0) + 1:03d}"


def base(name: str) -> str:
    """The item's identity: its name without the generation."""
    return name.partition(".")[0]


def free_bucket(taken: Collection[str], since: int = 0) -> str:
    """The name of the first bucket from this number on that is not taken."""
    return next(name for name in map(segment_name, count(since)) if name not in taken)


def segment_name(number: int) -> str:
    """The name of the segment with this number, ten digits."""
    return f"{number:010d}"


def returns_name(segment: str) -> str:
    """The segment for items that return after theirs was dropped. Sorts between it and the next."""
    return f"{segment}r"


def segment_number(name: str) -> int:
    """The number of a segment, or of the segment of its returns."""
    return int(name.removesuffix("r"))
