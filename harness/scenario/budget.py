"""How many nodes may be disturbed at once, and which faults exclude each other: pure functions.

A node counts while it is down, paused, wiped and not yet serving, or cannot both send to and
receive from a majority. A budget of `minority` always leaves a quorum that can serve.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.faults import WHOLE_QUORUM, Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A fault in force: its name, its slot, and its nodes."""

    name: str
    slot: str | None
    nodes: Collection[int]


def allowed(budget: str, nodes: int) -> int:
    """Return how many of `nodes` a budget allows to be disturbed at once."""
    return (nodes - 1) // 2 if budget == "minority" else nodes


def excluder(fault: Fault, nodes: Collection[int], in_force: Iterable[Held]) -> Held | None:
    """Return the fault in force that excludes this one; None if none does."""
    for held in in_force:
        if fault.slot is None or held.slot != fault.slot:
            continue
        if fault.slot in WHOLE_QUORUM or set(held.nodes) & set(nodes):
            return held
    return None
