"""Inject a fault on all of its nodes or on none, although one of their hosts may not support it."""

from collections.abc import Callable, Sequence

from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence, Node, System


def on_each(
    system: System,
    nodes: Sequence[int],
    act: Callable[[Node], Evidence],
    undo: Callable[[System, Sequence[int]], object],
) -> list[Evidence]:
    """Call `act` with one server after the other; return the evidence of each.

    Raises:
        UnsupportedError: a node does not support it, or its server has ended by itself. `undo` was
            called with the nodes before it.
    """
    seen: list[Evidence] = []
    for place, node in enumerate(system.members(nodes)):
        try:
            seen.append(act(node))
        except UnsupportedError:
            if place:
                undo(system, nodes[:place])
            raise
    return seen
