"""How many nodes may be hurt at once, and which faults exclude each other: pure functions.

Hurt = down, paused, wiped and not yet serving again, or unable to exchange with a majority both
ways. A budget of `minority` keeps the quorum able to serve whatever else happens.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.faults import WHOLE_QUORUM, Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A fault in force, as far as others must know: its name, what it holds, and of whom."""

    name: str
    slot: str | None
    nodes: Collection[int]


def allowed(budget: str, nodes: int) -> int:
    """Return how many of so many nodes a budget lets be hurt at once."""
    return (nodes - 1) // 2 if budget == "minority" else nodes


def excluder(fault: Fault, nodes: Collection[int], in_force: Iterable[Held]) -> Held | None:
    """Return the fault in force that leaves no room for this one; None if there is room."""
    for held in in_force:
        if fault.slot is None or held.slot != fault.slot:
            continue
        if fault.slot in WHOLE_QUORUM or set(held.nodes) & set(nodes):
            return held
    return None
