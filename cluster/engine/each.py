"""Do the same to several things at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def each(items: Iterable[T], work: Callable[[T], U]) -> list[U]:
    """Do `work` to all items at the same time; results in the order of `items`."""
    given = list(items)
    with ThreadPoolExecutor(max_workers=max(1, len(given))) as pool:
        return list(pool.map(work, given))
