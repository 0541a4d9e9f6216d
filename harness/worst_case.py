"""What a scenario's plan may come to at worst, before there are nodes: pure functions.

An upper bound over everything that has a time or follows something. Entries with a weight are
left out: what a mix may not do is skipped when its time comes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness import budget, plan
from harness.faults import Fault
from harness.roles import size_of_role
from harness.schema import FaultEntry, Phase, Scenario
from harness.target import Target

Moment = tuple[int, float, int]
"""Phase, seconds, place in the list: entries that follow each other differ by their place only."""
FOR_EVER: Moment = (1 << 31, 0.0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When one injection of an entry may be in force at most; the ends belong to it.

    Attributes:
        after: the entries of its phase that are over before it begins.
        certain: whether its time is known, so that it surely meets what it overlaps.
    """

    phase: int
    entry: int
    fault: Fault
    label: str
    replaces: str | None
    begin: Moment
    end: Moment
    after: frozenset[str]
    certain: bool


def over_budget(scenario: Scenario) -> tuple[Span, int] | None:
    """Return the first injection that may hurt too many at once, and how many; None if none.

    Roles are taken to mean nodes that nothing else hurts; only names of `bind` and numbers are
    known to be the same node. O(injections^2).
    """
    limit = budget.allowed(scenario.budget, scenario.cluster.nodes)
    spans = list(_spans(scenario))
    for span in spans:
        beside = [s for s in spans if s.begin <= span.begin <= s.end and not _apart(s, span)]
        hurt = _most_hurt(scenario, beside)
        if hurt > limit:
            return span, hurt
    return None


def excluded(scenario: Scenario) -> tuple[Span, Span] | None:
    """Return an injection that another one, surely in force then, leaves no room; None if none."""
    spans = [span for span in _spans(scenario) if span.certain]
    for later in spans:
        for earlier in spans:
            meet = earlier.begin < later.begin <= earlier.end
            if meet and later.replaces != earlier.label and _one_slot(scenario, earlier, later):
                return earlier, later
    return None


def placeholders(target: Target, scenario: Scenario) -> list[int]:
    """Return ids that stand for a target before there are nodes; each bound name has its own."""
    if isinstance(target, list):
        return [id for one in target for id in placeholders(one, scenario)]
    if isinstance(target, dict):
        return [target["node"]]
    if target in scenario.bind:
        return [1 + list(scenario.bind).index(target)]
    return list(range(1, 1 + size_of_role(target, scenario.cluster.nodes)))


def _one_slot(scenario: Scenario, earlier: Span, later: Span) -> bool:
    """Tell whether both surely take hold of the same thing."""
    same = _fixed(earlier.fault.target, scenario.bind) and _fixed(later.fault.target, scenario.bind)
    nodes = [placeholders(span.fault.target, scenario) if same else [] for span in (earlier, later)]
    held = budget.Held(name=earlier.label, slot=earlier.fault.slot, nodes=nodes[0])
    return budget.excluder(later.fault, nodes[1], [held]) is not None


def _apart(one: Span, other: Span) -> bool:
    """Tell whether one of them begins only when the other is over."""
    return one.phase == other.phase and (one.label in other.after or other.label in one.after)


def _most_hurt(scenario: Scenario, spans: Sequence[Span]) -> int:
    """Return how many the spans hurt together; of those that follow each other, the worst."""
    everyone = range(1, scenario.cluster.nodes + 1)
    hurts = [s.fault.hurts(placeholders(s.fault.target, scenario), everyone) for s in spans]
    kept: list[Span] = []
    known: set[int] = set()
    drawn = 0
    for hurt, span in sorted(zip(hurts, spans, strict=True), key=lambda pair: -len(pair[0])):
        if any(_apart(span, other) for other in kept):
            continue
        kept.append(span)
        if _fixed(span.fault.target, scenario.bind):
            known |= set(hurt)
        else:
            drawn += len(hurt)
    return min(len(known) + drawn, scenario.cluster.nodes)


def _fixed(target: Target, bound: Mapping[str, str]) -> bool:
    """Tell whether a target is the same node whenever it is asked for."""
    if isinstance(target, list):
        return all(_fixed(one, bound) for one in target)
    return isinstance(target, dict) or target in bound


def _spans(scenario: Scenario) -> Iterator[Span]:
    ends = _ends(scenario)
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            if entry.fault is None or entry.weight is not None:
                continue
            windows = list(_windows(entry, phase.limit_s))
            for begin_s, end_s in windows:
                end = (number, end_s, place)
                if entry.fault.lasting and entry.hold_s is None:
                    end = ends.get((number, place), FOR_EVER)
                yield Span(
                    phase=number,
                    entry=place,
                    fault=entry.fault,
                    label=entry.label,
                    replaces=entry.replaces,
                    begin=(number, begin_s, place),
                    end=end,
                    after=_before(entry, phase),
                    certain=entry.sequential or end_s < float("inf"),
                )


def _before(entry: FaultEntry, phase: Phase) -> frozenset[str]:
    """Return what `after` waits for, step by step, as far as it ends by itself."""
    found: set[str] = set()
    while entry.after is not None and entry.after not in found:
        entry = next(e for e in phase.faults if e.label == entry.after)
        if entry.fault is None or (entry.fault.lasting and entry.hold_s is None):
            break
        found.add(entry.label)
    return frozenset(found)


def _windows(entry: FaultEntry, limit_s: float) -> Iterator[tuple[float, float]]:
    """Give earliest injection and latest heal of each round, in seconds of the phase."""
    if entry.sequential:
        yield 0.0, 0.0  # it is over, if it has a duration, before the next of its kind begins
    elif entry.after is not None or (entry.at is not None and entry.at.elapsed_s is None):
        yield 0.0, float("inf")
    else:
        for at_s in plan.rounds(entry, limit_s):
            yield at_s, at_s + entry.jitter_s + (entry.hold_s or 0.0)


def _ends(scenario: Scenario) -> dict[tuple[int, int], Moment]:
    """Return where entries that stay are ended by a later one: `heal`, `replaces` or `start`."""
    ends: dict[tuple[int, int], Moment] = {}
    open_: dict[tuple[int, int], FaultEntry] = {}
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            begin_s = next((begin for begin, _ in _windows(entry, phase.limit_s)), 0.0)
            for key in [key for key, earlier in open_.items() if _ended_by(earlier, entry)]:
                ends[key] = (number, begin_s, place - 1)  # before the entry that ends it
                del open_[key]
            if entry.fault is not None and entry.fault.lasting:
                open_[number, place] = entry
    return ends


def _ended_by(earlier: FaultEntry, later: FaultEntry) -> bool:
    if later.fault is None:
        return later.heal in {"all", earlier.label}
    same_nodes = earlier.fault.target == later.fault.target
    return later.replaces == earlier.label or (earlier.kind in later.fault.ends and same_nodes)
