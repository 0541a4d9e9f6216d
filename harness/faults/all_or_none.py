"""A fault of several nodes is in force on all of them or on none, though their hosts may differ."""

from collections.abc import Callable, Sequence

from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence


def on_each(
    nodes: Sequence[int],
    act: Callable[[int], Evidence],
    undo: Callable[[Sequence[int]], object],
) -> list[Evidence]:
    """Do `act` to one node after the other; return what was seen of each.

    Raises:
        UnsupportedError: one cannot. `undo` was called with those to which it was done before.
    """
    seen: list[Evidence] = []
    for place, id in enumerate(nodes):
        try:
            seen.append(act(id))
        except UnsupportedError:
            if place:
                undo(nodes[:place])
            raise
    return seen
