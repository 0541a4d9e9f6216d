"""Checks across keys: names that nothing has, and settings that exclude each other."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from harness import checkers
from harness.clients import subject_lookup
from harness.clients.subject import subjects
from harness.common.harness_errors import ScenarioError, expected_one_of, likely, listed
from harness.scenario import plan, roles
from harness.scenario.claimed_order import has_groups
from harness.scenario.consistency import fault_entries, fault_names, worst_case
from harness.scenario.schema import Complaint, Phase, Scenario
from harness.workloads.exec_command import COMMANDS, PLACEHOLDERS, unknown_placeholders


def complaints(scenario: Scenario) -> Iterator[Complaint]:
    """Yield what is wrong with a scenario whose keys are right one by one.

    The worst case is worked out only once every name is known to mean something.
    """
    named = fault_names.unique(scenario)
    wrong = [*fault_names.complaints(scenario), *_of_names_and_times(named)]
    yield from wrong or _of_worst_case(named)


def of_names(scenario: Scenario) -> Iterator[Complaint]:
    """Yield the names that mean nothing by themselves, whatever else a scenario says."""
    yield from _of_subject(scenario)
    yield from _of_checkers(scenario)
    yield from _of_bindings(scenario)
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            for where, what in fault_entries.of_nodes(scenario, entry):
                yield ("phases", number, "faults", place, *where), what


def _of_names_and_times(scenario: Scenario) -> Iterator[Complaint]:
    yield from _of_subject(scenario)
    yield from _of_checkers(scenario)
    yield from _of_commands(scenario)
    if not list(scenario.workloads):
        yield ("workload",), "expected at least one workload, got none"
    yield from _of_because(scenario)
    yield from _of_bindings(scenario)
    yield from _of_values(scenario)
    yield from _of_injections(scenario)
    yield from _of_transport(scenario)
    yield from _of_availability(scenario)
    yield from _of_order(scenario)
    yield from _of_groups(scenario)
    yield from _of_segments(scenario)
    yield from fault_entries.without_effect(scenario)
    names = Counter(entry.label for entry in scenario.fault_entries)
    for number, phase in enumerate(scenario.phases):
        for place, complaint in _of_phase(scenario, phase, names):
            yield ("phases", number, *place), complaint


def _of_subject(scenario: Scenario) -> Iterator[Complaint]:
    """Require the name of a subject, or the form `module:Class`; neither is imported here."""
    if scenario.subject not in subjects and not subject_lookup.is_own(scenario.subject):
        known = [*subjects, "module:Class"]
        told = expected_one_of(known, scenario.subject, see="harness explain subjects")
        yield ("subject",), told


def _of_checkers(scenario: Scenario) -> Iterator[Complaint]:
    """Require names of checkers, and that those of other packages can be imported."""
    for number, name in enumerate(scenario.checkers or []):
        try:
            checkers.checkers[name]
        except ScenarioError as error:
            yield ("checkers", number), str(error).removeprefix("checker: ")


def _of_commands(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a second `drain`, and what stands in braces in a command and is no placeholder."""
    drains = 0
    for number, phase in enumerate(scenario.phases):
        for entry_number, entry in enumerate(phase.workload):
            place = ("phases", number, "workload", entry_number, entry.kind)
            for key in ("command", "drain"):
                words = getattr(entry.workload, key, None) if entry.kind in COMMANDS else None
                for name in unknown_placeholders(words or []):
                    told = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                    yield (*place, key), f"expected one of {told}, got {{{name}}}"
                if scenario.transport != "rest" and "{gateway}" in " ".join(words or []):
                    yield (*place, key), "expected `transport: rest` beside {gateway}, got none"
            drains += bool(getattr(entry.workload, "drain", None))
            if drains > 1:
                yield (*place, "drain"), "expected one drain in a scenario, got a second"


def _of_because(scenario: Scenario) -> Iterator[Complaint]:
    """Require `expect: invalid`, and a reason that one of the checkers can give."""
    if scenario.because is None or list(_of_checkers(scenario)):
        return
    if scenario.expect != "invalid":
        yield ("because",), f"expected `expect: invalid` beside it, got {scenario.expect!r}"
    known = checkers.reasons(scenario.checkers)
    if scenario.because not in known:
        told = expected_one_of(known, scenario.because, see="harness explain because")
        yield ("because",), told


def _of_bindings(scenario: Scenario) -> Iterator[Complaint]:
    """Require roles that so many nodes can fill, and a node for each name."""
    nodes, roles_seen = scenario.cluster.size, set[str]()
    for number, (name, role) in enumerate(scenario.bind.items(), start=1):
        if (complaint := roles.complaint_of_binding(role, scenario.cluster)) is not None:
            yield ("bind", name), complaint
        elif role in roles_seen and roles.only_one(role):
            yield ("bind", name), f"expected one name for {role!r}, got a second"
        elif number > nodes:
            yield ("bind", name), f"expected at most {nodes} names, one a node, got more"
        roles_seen.add(role)


def _of_values(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a value that two workloads put: a lost one could be either."""
    puts: list[tuple[int, int, Sequence[str | int]]] = []
    for number, phase in enumerate(scenario.phases):
        for entry_number, entry in enumerate(phase.workload):
            place: Sequence[str | int] = ("phases", number, "workload", entry_number, entry.kind)
            puts += [(values[0], values[-1], place) for values in entry.workload.values() if values]
    for (_, last, _), (first, _, place) in pairwise(sorted(puts)):
        if first <= last:
            yield (
                place,
                f"expected values of its own, got {first} again; set `first`",
            )


def _of_injections(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse more than MAX_INJECTIONS planned injections, before any is planned."""
    planned = 0.0
    for number, phase in enumerate(scenario.phases):
        for place, entry in enumerate(phase.faults):
            planned += plan.injections(entry, phase)
            if planned > plan.MAX_INJECTIONS:
                most = f"expected at most {plan.MAX_INJECTIONS} planned injections in all phases"
                yield ("phases", number, "faults", place), f"{most}, got {planned:.6g} up to here"
                return


def _of_transport(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse `rest` for a queue without a gateway, and for faults that cut clients off servers."""
    if scenario.transport == "kazoo":
        return
    if scenario.subject != "zkmq":
        yield ("transport",), f"expected 'kazoo' for subject {scenario.subject}, got 'rest'"
    if scenario.forwarded:
        yield ("transport",), "expected 'kazoo' for a fault that cuts clients off, got 'rest'"


def _of_availability(scenario: Scenario) -> Iterator[Complaint]:
    """Require that the bound names a fault of this scenario."""
    entries = (entry for entry in scenario.fault_entries if entry.fault)
    known = {name for entry in entries for name in (entry.label, entry.kind)}
    bound = scenario.availability
    if bound is not None and bound.during not in known:
        names = sorted(known) or ["none (there is no fault)"]
        yield ("availability", "during"), expected_one_of(names, bound.during)


def _of_order(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse `relaxed` for a queue without it, and `window` where clients record no windows."""
    if scenario.order == "relaxed" and scenario.subject != "zkmq":
        yield ("order",), f"expected 'strict' for subject {scenario.subject}, got 'relaxed'"
    if scenario.level == "window" and (scenario.order, scenario.transport) != ("relaxed", "kazoo"):
        wanted = "`order: relaxed` and `transport: kazoo`"
        got = f"{scenario.order} over {scenario.transport}"
        yield ("claim",), f"expected {wanted} beside 'window', got {got}"


def _of_groups(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse a claim of order beside groups: an item whose group is held is passed over."""
    if has_groups(scenario) and scenario.level not in {None, "unordered"}:
        told = "expected 'unordered' beside `groups`, whose items wait for each other"
        yield ("claim",), f"{told}, got {scenario.level!r}"


def _of_segments(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse `segment_items` unless the workers make the tree, and it has segments."""
    if scenario.segment_items is None:
        return
    if (scenario.subject, scenario.transport) != ("zkmq", "kazoo"):
        wanted = "`subject: zkmq` and `transport: kazoo`"
        got = f"{scenario.subject} over {scenario.transport}"
        yield ("segment_items",), f"expected {wanted} beside it, got {got}"


def _of_phase(scenario: Scenario, phase: Phase, known: fault_entries.Known) -> Iterator[Complaint]:
    yield from _waits(phase)
    yield from _while_faults(phase)
    above: dict[str, None] = {}
    for number, entry in enumerate(phase.faults):
        place = ("faults", number)
        for where, what in fault_entries.complaints(scenario, phase, entry, known):
            yield (*place, *where), what
        if entry.after is not None and entry.after not in above:
            names = listed(above) or "none (it is the first)"
            got = f"got {entry.after!r}{likely(above, entry.after)}"
            yield (*place, "after"), f"expected a fault above it ({names}), {got}"
        above[entry.label] = None


def _while_faults(phase: Phase) -> Iterator[Complaint]:
    """Refuse a workload that would end at once, since its phase has no faults."""
    for number, entry in enumerate(phase.workload):
        if getattr(entry.workload, "while_faults", False) and not phase.faults:
            place = ("workload", number, entry.kind, "while_faults")
            yield place, "expected faults in the phase, got none"


def _waits(phase: Phase) -> Iterator[Complaint]:
    """Require that each `after` names a workload of the phase; report each circle once."""
    waits = {entry.kind: entry.workload.after for entry in phase.workload}
    circles: set[frozenset[str]] = set()
    for number, entry in enumerate(phase.workload):
        place = ("workload", number, entry.kind, "after")
        after = entry.workload.after
        circle = _circle(waits, entry.kind)
        if after is not None and after not in waits:
            got = f"got {after!r}{likely(waits, after)}"
            yield place, f"expected a workload of this phase ({listed(waits)}), {got}"
        elif circle and circle not in circles:
            yield place, f"expected no circle, got {entry.kind!r} waiting for itself"
            circles.add(circle)


def _circle(waits: Mapping[str, str | None], start: str) -> frozenset[str]:
    """Return the workloads of the circle of `after` through `start`; an empty set for none."""
    seen: list[str] = []
    step: str | None = start
    while step is not None and step not in seen:
        seen.append(step)
        step = waits.get(step)
    return frozenset(seen if step == start else ())


def _of_worst_case(scenario: Scenario) -> Iterator[Complaint]:
    """Refuse faults that surely exceed the budget, or surely exclude each other."""
    if (over := worst_case.over_budget(scenario)) is not None:
        span, hurt = over
        yield (
            ("phases", span.phase, "faults", span.entry),
            (
                f"expected at most a minority hurt at once, got up to {hurt} of "
                f"{len(scenario.cluster.voters)} nodes; `budget: majority` gives leave"
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
