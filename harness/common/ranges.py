"""Many items in few words: runs of consecutive numbers."""

from collections.abc import Iterable, Sequence

Range = list[int] | str
"""First and last number of a run, or an item whose value is text."""


def ranges(values: Iterable[int | str]) -> list[Range]:
    """Return distinct values as runs of consecutive numbers in order, then texts. O(n log n)."""
    known = set(values)
    runs: list[list[int]] = []
    for number in sorted(value for value in known if isinstance(value, int)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [*runs, *sorted(value for value in known if isinstance(value, str))]


def told(items: Sequence[Range], at_most: int = 5) -> str:
    """Return `items 1 to 100`, `item 7` or `items 1 to 3, 7 and 12 more`; empty for no items."""
    if not items:
        return ""
    shown = ", ".join(map(_told, items[:at_most]))
    left = sum(map(_size, items[at_most:]))
    more = f" and {left:,} more" if left else ""
    return f"item{'' if sum(map(_size, items)) == 1 else 's'} {shown}{more}"


def _told(item: Range) -> str:
    if isinstance(item, str):
        return repr(item)
    first, last = item
    if last - first < 2:
        return ", ".join(map(str, range(first, last + 1)))
    return f"{first} to {last}"


def _size(item: Range) -> int:
    return 1 if isinstance(item, str) else item[1] - item[0] + 1
