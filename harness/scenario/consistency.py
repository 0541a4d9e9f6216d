"""What no single key of a scenario can tell: names that mean nothing, mixes that cannot be."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise

from harness import checkers
from harness.scenario import labels, plan, roles, schedules, schema, worst_case
from harness.scenario.schema import FaultEntry, Phase, Scenario

Complaint = tuple[Sequence[str | int], str]
"""Where it is, and `expected X, got Y`."""

Known = Mapping[str, int]
"""How many entries of all phases have each name."""

MAX_LISTED = 30


def complaints(scenario: Scenario) -> Iterator[Complaint]:
    """Give all that is wrong with a scenario whose every key is right.

    The worst case is only asked for where every name means something.
    """
    named = labels.unique(scenario)
    wrong = [*labels.complaints(scenario), *_of_names_and_times(named)]
    yield from wrong or _of_worst_case(named)


def _of_names_and_times(scenario: Scenario) -> Iterator[Complaint]:
    for number, name in enumerate(scenario.checkers or []):
        if name not in schema.known_checkers():
            known = ", ".join(schema.known_checkers())
            yield ("checkers", number), f"expected one of {known}, got {name!r}"
    if not list(scenario.workloads):
        yield ("workload",), "expected at least one workload, got none"
    yield from _of_because(scenario)
    yield from _of_bindings(scenario)
    yield from _of_values(scenario)
    yield from _of_injections(scenario)
    yield from _of_transport(scenario)
    yield from _of_availability(scenario)
    yield from _of_order(scenario)
    yield from _of_segments(scenario)
    yield from schedules.complaints(scenario)
    names = Counter(entry.label for phase in scenario.phases for entry in phase.faults)
    for number, phase in enumerate(scenario.phases):
        for place, complaint in _of_phase(scenario, phase, names):
            yield ("phases", number, *place), complaint


def listed(names: Iterable[str]) -> str:
    """Return the names one after the other, of very many the first."""
    known = list(islice(names, MAX_LISTED + 1))
    return ", ".join([*known[:MAX_LISTED], *(["..."] if len(known) > MAX_LISTED else [])])


def _of_because(scenario: Scenario) -> Iterator[Complaint]:
    """Require a reason that some checker can find."""
    if scenario.because is None:
        return
    if scenario.expect != "invalid":
        yield ("because",), f"expected `expect: invalid` beside it, got {scenario.expect!r}"
    known = checkers.reasons(scenario.checkers)
    if scenario.because not in known:
        yield ("because",), f"expected one of {', '.join(known)}, got {scenario.because!r}"


def _of_bindings(scenario: Scenario) -> Iterator[Complaint]:
    """Require roles that the nodes can have, a node for each name."""
    nodes, roles_seen = scenario.cluster.nodes, set[str]()
    for number, (name, role) in enumerate(scenario.bind.items(), start=1):
        if (complaint := roles.complaint_of_binding(role, nodes)) is not None:
            yield ("bind", name), complaint
        elif role in roles_seen and roles.only_one(role):
            yield ("bind", name), f"expected one name for {role!r}, got a second"
        elif number > nodes:
            yield ("bind", name), f"expected at most {nodes} names, one a node, got more"
        roles_seen.add(role)


def _of_values(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a value that two workloads put: nobody could tell which of the two was lost."""
    puts: list[tuple[int, int, Sequence[str | int]]] = []
    for number, phase in enumerate(scenario.phases):
        for entry_number, entry in enumerate(phase.workload):
            place: Sequence[str | int] = ("phases", number, "workload", entry_number, entry.kind)
            puts += [(values[0], values[-1], place) for values in entry.workload.values() if values]
    for (_, last, _), (first, _, place) in pairwise(sorted(puts)):
        if first <= last:
            yield place, f"expected values that nobody else puts, got {first} again; set `first`"


def _of_injections(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a plan that nobody could carry out, before it is made."""
    planned = 0.0
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            planned += plan.injections(entry, phase)
            if planned > plan.MAX_INJECTIONS:
                most = f"expected at most {plan.MAX_INJECTIONS} planned injections in all phases"
                yield ("phases", number, "faults", place), f"{most}, got {planned:.6g} up to here"
                return


def _of_transport(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse HTTP for a queue that has none, and for clients that must be cut off from servers."""
    if scenario.transport == "kazoo":
        return
    if scenario.subject != "zkmq":
        yield ("transport",), f"expected 'kazoo' for subject {scenario.subject}, got 'rest'"
    if scenario.forwarded:
        yield ("transport",), "expected 'kazoo' for a fault that cuts clients off, got 'rest'"


def _of_availability(scenario: Scenario) -> Iterator[Complaint]:
    """Check that a bound is about a fault that there is."""
    entries = [entry for phase in scenario.phases for entry in phase.faults if entry.fault]
    known = {name for entry in entries for name in (entry.label, entry.kind)}
    bound = scenario.availability
    if bound is not None and bound.during not in known:
        names = ", ".join(sorted(known)) or "none (there is no fault)"
        yield ("availability", "during"), f"expected one of {names}, got {bound.during!r}"


def _of_order(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a relaxed order of a queue that has none, and windows where nobody records them."""
    if scenario.order == "relaxed" and scenario.subject != "zkmq":
        yield ("order",), f"expected 'strict' for subject {scenario.subject}, got 'relaxed'"
    if scenario.level == "window" and (scenario.order, scenario.transport) != ("relaxed", "kazoo"):
        wanted = "`order: relaxed` and `transport: kazoo`"
        got = f"{scenario.order} over {scenario.transport}"
        yield ("claim",), f"expected {wanted} beside 'window', got {got}"


def _of_segments(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a size of segments where no worker makes the tree, or it has none."""
    if scenario.segment_items is None:
        return
    if (scenario.subject, scenario.transport) != ("zkmq", "kazoo"):
        wanted = "`subject: zkmq` and `transport: kazoo`"
        got = f"{scenario.subject} over {scenario.transport}"
        yield ("segment_items",), f"expected {wanted} beside it, got {got}"


def _of_phase(scenario: Scenario, phase: Phase, known: Known) -> Iterator[Complaint]:
    yield from _waits(phase)
    above: dict[str, None] = {}
    for number, entry in enumerate(phase.faults):
        place = ("faults", number)
        for where, what in _of_entry(scenario, phase, entry, known):
            yield (*place, *where), what
        if entry.after is not None and entry.after not in above:
            names = listed(above) or "none (it is the first)"
            yield (*place, "after"), f"expected a fault above it ({names}), got {entry.after!r}"
        above[entry.label] = None


def _waits(phase: Phase) -> Iterator[Complaint]:
    """Check that each workload's `after` names another one, without a circle (told once)."""
    waits = {entry.kind: entry.workload.after for entry in phase.workload}
    circles: set[frozenset[str]] = set()
    for number, entry in enumerate(phase.workload):
        place = ("workload", number, entry.kind, "after")
        after = entry.workload.after
        circle = _circle(waits, entry.kind)
        if after is not None and after not in waits:
            yield place, f"expected a workload of this phase ({', '.join(waits)}), got {after!r}"
        elif circle and circle not in circles:
            yield place, f"expected no circle, got {entry.kind!r} waiting for itself"
            circles.add(circle)


def _circle(waits: Mapping[str, str | None], start: str) -> frozenset[str]:
    """Return the workloads that wait for each other in a circle through `start`; none if none."""
    seen: list[str] = []
    step: str | None = start
    while step is not None and step not in seen:
        seen.append(step)
        step = waits.get(step)
    return frozenset(seen if step == start else ())


def _of_entry(
    scenario: Scenario, phase: Phase, entry: FaultEntry, known: Known
) -> Iterator[Complaint]:
    yield from _of_fault(scenario, entry)
    yield from _of_trigger(scenario, phase, entry)
    yield from _of_first(phase, entry)
    yield from _of_names(scenario, entry, known)
    if entry.weight is not None and phase.mix_s is None:
        yield ("weight",), "expected mix_s beside it in the phase, got none"
    if entry.weight is not None and entry.hold_s is None and _stays(entry):
        yield ("weight",), "expected down_s or for_s beside it, got none"
    hold_s = (entry.hold_s or 0) + entry.jitter_s
    if entry.every_s is not None and hold_s >= entry.every_s:
        yield (
            ("every_s",),
            (
                f"expected more than the time the fault lasts and its jitter ({hold_s:g} s), "
                f"got {entry.every_s:g}"
            ),
        )


def _stays(entry: FaultEntry) -> bool:
    return entry.fault is not None and entry.fault.lasting


def _of_fault(scenario: Scenario, entry: FaultEntry) -> Iterator[Complaint]:
    """Check whom a fault means, and that the cluster has what it needs."""
    if entry.fault is None:
        return
    target = entry.fault.target
    if (
        what := roles.complaint_of_target(target, scenario.cluster.nodes, scenario.bind)
    ) is not None:
        yield (entry.kind, "groups" if isinstance(target, list) else "target"), what
    kinds = ["any", *dict.fromkeys(work.kind for work in scenario.workloads)]
    workload = getattr(entry.fault, "workload", "any")
    if workload not in kinds:
        yield (entry.kind, "workload"), f"expected one of {', '.join(kinds)}, got {workload!r}"
    if entry.fault.of_gateway and scenario.transport != "rest":
        yield (entry.kind,), "expected `transport: rest` for this fault, got none"
    for need in sorted(entry.fault.needs):
        if not getattr(scenario.cluster, need):
            yield (entry.kind,), f"expected `cluster: {{{need}: ...}}` for this fault, got none"


def _of_trigger(scenario: Scenario, phase: Phase, entry: FaultEntry) -> Iterator[Complaint]:
    """Refuse a trigger that can never fire."""
    if entry.at is None:
        return
    for what in ("acknowledged", "invoked"):
        first, reach = getattr(entry.at, what), _reach(phase)
        if first is None or reach is None or (last := first * (entry.times or 1)) <= reach:
            continue
        told = f"{first}" if last == first else f"{entry.times} times {first}"
        yield ("at", what), f"expected at most {reach}, the phase's puts, got {told}"
    if entry.at.event is not None and scenario.cluster.nodes == 1:
        yield ("at", "event"), "expected several nodes for an election, got one"
    if entry.at.log is not None:
        yield from _of_node(scenario, entry.at.log.node, ("at", "log", "node"))


def _of_first(phase: Phase, entry: FaultEntry) -> Iterator[Complaint]:
    """Refuse a first time after the phase: a fault that is never planned is never missed."""
    elapsed_s = entry.at.elapsed_s if entry.at is not None else None
    every_s = entry.every_s if entry.at is None and entry.first_s is None else None
    times = {("first_s",): entry.first_s, ("at", "elapsed_s"): elapsed_s, ("every_s",): every_s}
    for where, first_s in times.items():
        if first_s is not None and first_s > phase.limit_s:
            yield (
                where,
                f"expected at most {phase.limit_s:g}, the phase's limit_s, got {first_s:g}",
            )


def _of_names(scenario: Scenario, entry: FaultEntry, known: Known) -> Iterator[Complaint]:
    """Check what an entry says of other faults and of nodes."""
    if entry.heal is not None:
        never = entry.fault is not None
        right = entry.heal == "never" if never else _names_a_fault(entry.heal, known)
        if not right:
            names = ["never"] if never else ["all", *sorted(set(known) - {"heal"})]
            yield ("heal",), f"expected one of {listed(names)}, got {entry.heal!r}"
    if entry.until is not None:
        yield from _of_node(scenario, entry.until.node, ("until", "node"))
    if entry.replaces is not None:
        itself = entry.replaces == entry.label
        if known.get(entry.replaces, 0) <= itself:
            names = [name for name in known if name != entry.label]
            yield ("replaces",), f"expected one of {listed(names)}, got {entry.replaces!r}"


def _names_a_fault(heal: str, known: Known) -> bool:
    return heal == "all" or (heal != "heal" and heal in known)


def _of_node(scenario: Scenario, node: str | int, where: Sequence[str]) -> Iterator[Complaint]:
    last = scenario.cluster.nodes
    if node == "leader" and last == 1:
        yield where, "expected 1, since a single node has no role, got 'leader'"
    elif node not in scenario.bind and node != "leader" and node not in range(1, last + 1):
        known = ", ".join([*scenario.bind, "leader", f"1..{last}"])
        yield where, f"expected one of {known}, got {node!r}"


def _of_worst_case(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse what is surely too much at once, or surely in each other's way."""
    if (over := worst_case.over_budget(scenario)) is not None:
        span, hurt = over
        yield (
            ("phases", span.phase, "faults", span.entry),
            (
                f"expected at most a minority hurt at once, got up to {hurt} of "
                f"{scenario.cluster.nodes} nodes; `budget: majority` gives leave"
            ),
        )
    if (pair := worst_case.excluded(scenario)) is not None:
        earlier, later = pair
        yield (
            ("phases", later.phase, "faults", later.entry),
            (
                f"expected no other {later.fault.slot!r} fault in force, got {earlier.label!r}; "
                f"`replaces` or `heal` ends it"
            ),
        )


def _reach(phase: Phase) -> int | None:
    """Return how many puts the phase can acknowledge; None where a workload has no end."""
    reaches = [entry.workload.reach() for entry in phase.workload]
    return None if None in reaches else sum(r for r in reaches if r is not None)
