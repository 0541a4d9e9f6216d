"""How many nodes a scenario's plan may disturb at once at worst: pure functions.

An upper bound, computed before the run. Entries with a weight are left out: the nemesis skips what
a mix may not do when its time comes. O(n log n) in the number of planned injections.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from harness.faults import WHOLE_QUORUM, Fault
from harness.scenario import budget
from harness.scenario.consistency import in_force
from harness.scenario.consistency.in_force import Moment, Span
from harness.scenario.roles import size_of_role
from harness.scenario.schema import Scenario
from harness.target import Target


@dataclass(frozen=True, slots=True)
class Hurt:
    """Disturbed nodes: those that are known, and how many will be drawn."""

    known: frozenset[int] = frozenset()
    drawn: int = 0

    def __add__(self, other: "Hurt") -> "Hurt":
        return Hurt(self.known | other.known, self.drawn + other.drawn)

    def __len__(self) -> int:
        return len(self.known) + self.drawn


class _Total:
    """The nodes that all faults in force disturb together; a change costs O(nodes it names)."""

    def __init__(self) -> None:
        self._known: Counter[int] = Counter()
        self._drawn = 0

    def __len__(self) -> int:
        return len(self._known) + self._drawn

    def change(self, hurt: Hurt, by: int) -> None:
        self._drawn += by * hurt.drawn
        for node in hurt.known:
            self._known[node] += by
            if not self._known[node]:
                del self._known[node]


def over_budget(scenario: Scenario) -> tuple[Span, int] | None:
    """Return the first injection that may exceed the budget, and the nodes disturbed then.

    None if none may. A role counts as nodes that no other fault disturbs; only bound names and
    numbers are known to mean the same node again.
    """
    voters = len(scenario.cluster.voters)
    limit = budget.allowed(scenario.budget, voters)
    if limit >= voters:
        return None
    now = _InForce(scenario)
    for span in sorted(in_force.spans(scenario), key=lambda span: span.begin):
        if now.begin(span) > limit:
            return span, min(now.hurt, voters)
    return None


class _InForce:
    """The spans in force at a moment that only moves forward, and the nodes they disturb."""

    def __init__(self, scenario: Scenario) -> None:
        self._hurts = _hurts(scenario)
        self._followers = _followers(scenario, self._hurts)
        self._total = _Total()
        self._ends: list[tuple[Moment, int, Span]] = []
        self._begun = 0
        self._chains: dict[tuple[int, int], Counter[bool]] = {}

    @property
    def hurt(self) -> int:
        return len(self._total)

    def begin(self, span: Span) -> int:
        """Move on to the beginning of a span; return how many nodes are disturbed from then on."""
        while self._ends and self._ends[0][0] < span.begin:
            self._change(heappop(self._ends)[-1], -1)
        self._begun += 1
        heappush(self._ends, (span.end, self._begun, span))
        self._change(span, 1)
        return len(self._total)

    def _change(self, span: Span, by: int) -> None:
        if span.chain is None:
            self._total.change(self._hurts[span.phase, span.entry], by)
            return
        chain = (span.phase, span.chain)
        parts = self._chains.setdefault(chain, Counter())
        self._total.change(self._of_chain(chain, parts), -1)
        parts[span.entry == span.chain] += by
        self._total.change(self._of_chain(chain, parts), 1)

    def _of_chain(self, chain: tuple[int, int], parts: Mapping[bool, int]) -> Hurt:
        """Return the larger of what a chain's first entry and its followers disturb."""
        first = self._hurts[chain] if parts[True] else Hurt()
        rest = self._followers[chain] if parts[False] else Hurt()
        return max(first, rest, key=len)


def excluded(scenario: Scenario) -> tuple[Span, Span] | None:
    """Return (earlier, later) where the earlier one, surely in force, excludes the later one."""
    longest: dict[tuple[str, int | None], list[Span]] = {}
    certain = (span for span in in_force.spans(scenario) if span.certain)
    for later in sorted(certain, key=lambda span: span.begin):
        for held in _held(scenario, later):
            before = longest.setdefault(held, [])
            for earlier in before:
                meet = earlier.begin < later.begin <= earlier.end
                if meet and later.replaces != earlier.label:
                    return earlier, later
            longest[held] = _two_longest([*before, later])
    return None


def _held(scenario: Scenario, span: Span) -> list[tuple[str, int | None]]:
    """Return the slots that a span surely takes: of the whole quorum, or of known nodes."""
    fault = span.fault
    if fault.slot is None:
        return []
    if fault.slot in WHOLE_QUORUM:
        return [(fault.slot, None)]
    fixed = _is_fixed(fault, scenario)
    nodes = _hit(fault, scenario) if fixed else []
    return [(fault.slot, node) for node in nodes]


def _two_longest(spans: Iterable[Span]) -> list[Span]:
    """Return the span that ends last, and the last one of another label.

    Two are enough, since `replaces` can end the spans of one label only.
    """
    found: dict[str, Span] = {}
    for span in sorted(spans, key=lambda span: span.end, reverse=True):
        found.setdefault(span.label, span)
    return list(found.values())[:2]


def placeholders(target: Target, scenario: Scenario) -> list[int]:
    """Return stand-in ids for a target before the run; each bound name has its own.

    What may be a voter has the id of one, since only voters count in the budget.
    """
    if isinstance(target, list):
        return [id for one in target for id in placeholders(one, scenario)]
    if isinstance(target, dict):
        return [target["node"]]
    voters, observers = scenario.cluster.voters, scenario.cluster.observers
    if target in scenario.bind:
        names = [name for name in scenario.bind if _watches(scenario.bind[name])]
        if target in names:
            return [observers[names.index(target)]]
        others = [name for name in scenario.bind if name not in names]
        return [[*voters, *observers][others.index(target)]]
    pool = observers if _watches(target) else [*voters, *observers]
    return list(pool[: size_of_role(target, scenario.cluster)])


def _watches(role: str) -> bool:
    return "observer" in role


def _hit(fault: Fault, scenario: Scenario) -> list[int]:
    """Return stand-in ids for the nodes that a fault hits; the known ones if `_is_fixed`."""
    nodes, cluster = placeholders(fault.target, scenario), scenario.cluster
    if not fault.of_host:
        return nodes
    if _is_fixed(fault, scenario):
        return cluster.beside(nodes[0])
    hosts = [cluster.beside(id) for id in cluster.each]
    return max(hosts, key=lambda host: len(fault.hurts(host, cluster.voters)))


def _is_fixed(fault: Fault, scenario: Scenario) -> bool:
    """Tell whether a fault surely hits the nodes that `_hit` returns, whenever it comes."""
    if fault.of_host:  # nobody knows yet on which host a bound name is
        return isinstance(fault.target, dict)
    return _fixed(fault.target, scenario.bind)


def _fixed(target: Target, bound: Mapping[str, str]) -> bool:
    """Tell whether a target is the same node whenever it is asked for."""
    if isinstance(target, list):
        return all(_fixed(one, bound) for one in target)
    return isinstance(target, dict) or target in bound


def _hurts(scenario: Scenario) -> dict[tuple[int, int], Hurt]:
    """Return what one injection of each entry hurts, by phase and place."""
    voters = scenario.cluster.voters
    found = {}
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            if (fault := entry.fault) is not None:
                nodes = _hit(fault, scenario)
                hurt = frozenset(fault.hurts(nodes, voters)) & frozenset(voters)
                fixed = _is_fixed(fault, scenario)
                found[number, place] = Hurt(hurt) if fixed else Hurt(drawn=len(hurt))
    return found


def _followers(
    scenario: Scenario, hurts: Mapping[tuple[int, int], Hurt]
) -> dict[tuple[int, int], Hurt]:
    """Return the most that the followers of each entry hurt at once, by phase and place.

    Those that follow the same entry run beside each other; one and its own followers do not.
    """
    found: dict[tuple[int, int], Hurt] = {}
    for number, phase in enumerate(scenario.phases):
        followed = in_force.followed(phase)
        for place in range(len(phase.faults) - 1, -1, -1):
            key = (number, place)
            worst = max(hurts.get(key, Hurt()), found.setdefault(key, Hurt()), key=len)
            if (before := followed.get(place)) is not None:
                found[number, before] = found.get((number, before), Hurt()) + worst
    return found
