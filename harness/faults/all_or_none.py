"""Inject a fault on all of its nodes or on none, although one of their hosts may not support it."""

from collections.abc import Callable, Sequence

from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence


def on_each(
    nodes: Sequence[int],
    act: Callable[[int], Evidence],
    undo: Callable[[Sequence[int]], object],
) -> list[Evidence]:
    """Call `act` with one node after the other; return the evidence of each.

    Raises:
        UnsupportedError: a node does not support it. `undo` was called with the nodes before it.
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
