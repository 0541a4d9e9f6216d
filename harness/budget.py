"""How many nodes may be hurt at once, and which faults exclude each other: pure functions.

Hurt = down, paused, wiped and not yet serving again, or unable to exchange with a majority both
ways. A budget of `minority` keeps the quorum able to serve whatever else happens.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.faults import WHOLE_QUORUM, Fault
from harness.roles import size_of_role
from harness.schema import FaultEntry, Scenario
from harness.target import Target


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When an entry may be in force at most, in order of phases; both ends belong to it."""

    phase: int
    entry: int
    begin: tuple[int, float, int]
    end: tuple[int, float, int]


FOR_EVER = (2**31, 0.0, 0)


def worst_case(scenario: Scenario) -> tuple[int, int, int] | None:
    """Return phase, entry and hurt nodes of the first injection that may go over the budget.

    An upper bound: roles are taken to mean nodes that nothing else hurts; only names of `bind`
    and numbers are known to be the same node. O(entries^2).
    """
    limit = allowed(scenario.budget, scenario.cluster.nodes)
    spans = list(_spans(scenario))
    for span in spans:
        beside = [s for s in spans if s.begin <= span.begin <= s.end]
        hurt = _most_hurt(scenario, beside)
        if hurt > limit:
            return span.phase, span.entry, hurt
    return None


def _most_hurt(scenario: Scenario, spans: Iterable[Span]) -> int:
    known: set[int] = set()
    drawn = 0
    everyone = range(1, scenario.cluster.nodes + 1)
    for span in spans:
        fault: Fault = scenario.phases[span.phase].faults[span.entry].fault
        ids = placeholders(fault.target, scenario)
        hurt = set(fault.hurts(ids, everyone))
        if _fixed(fault.target, scenario.bind):
            known |= hurt
        else:
            drawn += len(hurt)
    return min(len(known) + drawn, scenario.cluster.nodes)


def placeholders(target: Target, scenario: Scenario) -> list[int]:
    """Return ids that stand for a target before there are nodes; each bound name has its own."""
    if isinstance(target, list):
        return [placeholders(one, scenario)[0] for one in target]
    if isinstance(target, dict):
        return [target["node"]]
    if target in scenario.bind:
        return [1 + list(scenario.bind).index(target)]
    return list(range(1, 1 + size_of_role(target, scenario.cluster.nodes)))


def _fixed(target: Target, bound: Mapping[str, str]) -> bool:
    if isinstance(target, list):
        return all(_fixed(one, bound) for one in target)
    return isinstance(target, dict) or target in bound


def _spans(scenario: Scenario) -> Iterator[Span]:
    """Give when each lasting entry may be in force at most."""
    ends = _ends(scenario)
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            if entry.fault is None or not entry.fault.lasting:
                continue
            begin_s, end_s = _window(entry)
            begin = (number, begin_s, place)
            healed = ends.get((number, place), FOR_EVER)
            end = min(healed, (number, end_s, place) if entry.hold_s is not None else FOR_EVER)
            yield Span(phase=number, entry=place, begin=begin, end=end)


def _window(entry: FaultEntry) -> tuple[float, float]:
    """Return the earliest injection and the latest heal within the phase, in seconds.

    Entries that follow each other have all the same time: their places tell them apart.
    """
    if entry.sequential:
        return 0.0, 0.0
    hold_s = entry.hold_s or 0.0
    at_s = entry.first_s
    if entry.at is not None:
        at_s = entry.at.elapsed_s
    if at_s is None or entry.every_s is not None:
        return (at_s or 0.0, float("inf"))
    return (at_s, at_s + entry.jitter_s + hold_s)


def _ends(scenario: Scenario) -> dict[tuple[int, int], tuple[int, float, int]]:
    """Return where entries that stay are ended by a later one: `heal`, `replaces` or `start`."""
    ends: dict[tuple[int, int], tuple[int, float, int]] = {}
    open_: dict[tuple[int, int], FaultEntry] = {}
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            here = (number, *_moment(entry, place))
            for key in [k for k, e in open_.items() if _ended_by(e, entry)]:
                ends[key] = here
                del open_[key]
            if entry.fault is not None and entry.fault.lasting:
                open_[number, place] = entry
    return ends


def _moment(entry: FaultEntry, place: int) -> tuple[float, int]:
    begin_s, _ = _window(entry)
    return begin_s, place - 1  # it ends before the entry that ends it begins


def _ended_by(earlier: FaultEntry, later: FaultEntry) -> bool:
    if later.kind == "heal":
        return later.heal in {"all", earlier.label}
    if later.kind == "start":
        return earlier.kind == "kill" and earlier.fault.target == later.fault.target
    return later.replaces == earlier.label
