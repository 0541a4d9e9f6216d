"""Item names: identity, order and delivery attempt in one string that sorts as the queue does.

`item-100-0000000003-0000000123.001` is priority 100, segment 3, number 123, returned once. The
part before the dot is the item; with its generation, one stay in one place, so that no path ever
occurs twice. A name without a segment is one of the original's flat layout.
"""

import re
from typing import NamedTuple

MAX_PRIORITY = 999
ITEM = re.compile(r"item-(\d{3})-(?:(\d{10})-)?(\d{10})(?:\.(\d{3,}))?")


class ItemName(NamedTuple):
    """A parsed item name. `segment` is None in the original's flat layout."""

    priority: int
    segment: int | None
    number: int
    generation: int

    def __str__(self) -> str:
        """The name as it stands in the tree."""
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


def next_generation(name: str) -> str:
    """The name of the same item after one more return."""
    base, _, generation = name.partition(".")
    return f"{base}.{int(generation or 0) + 1:03d}"


def base(name: str) -> str:
    """The item's identity: its name without the generation."""
    return name.partition(".")[0]


def segment_name(number: int) -> str:
    """The name of a segment, into which producers put."""
    return f"{number:010d}"


def returns_name(segment: str) -> str:
    """Where items return whose segment is gone: sorts after it, before the next."""
    return f"{segment}r"


def segment_number(name: str) -> int:
    """The number in the name of a segment or of its returns."""
    return int(name.removesuffix("r"))
