"""What may be wrong with an entry of `faults`: its target, its time, keys without effect."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness.common.harness_errors import expected_one_of, likely, listed
from harness.common.settings import failpoint_list
from harness.faults.failpoint import Failpoint
from harness.scenario import roles
from harness.scenario.schema import Complaint, FaultEntry, Phase, Scenario

Known = Mapping[str, int]
"""How many entries of all phases have each name."""

COUNTED = frozenset({"acknowledged", "invoked", "event"})
"""Triggers that recur, so that `times` can repeat an entry that waits for one."""
TAKEN_OVER = frozenset({"cut", "loss"})
"""Slots whose rules are in force on all nodes: a new rule replaces the old one in one step."""


def trigger_of(entry: FaultEntry) -> str:
    """Return what an entry waits for: a key of `at`, `time`, `after`, `weight`, or `order`."""
    if entry.at is not None and entry.at.elapsed_s is None:
        return next(iter(entry.at.model_dump(exclude_none=True)))
    if entry.after is not None:
        return "after"
    if entry.weight is not None:
        return "weight"
    return "order" if entry.sequential else "time"


def without_effect(scenario: Scenario) -> Iterator[Complaint]:
    """Yield each key that would change nothing where it stands, with what to write instead."""
    by_label = defaultdict[str, list[FaultEntry]](list)
    for entry in scenario.fault_entries:
        by_label[entry.label].append(entry)
    for number, phase in enumerate(scenario.phases):
        if phase.mix_s is not None and all(entry.weight is None for entry in phase.faults):
            yield ("phases", number, "mix_s"), "expected a fault with `weight` beside it, got none"
        for place, entry in enumerate(phase.faults):
            for key, what in _idle_keys(entry):
                yield ("phases", number, "faults", place, key), what
            if entry.replaces is None:
                continue
            meant = [other for other in by_label[entry.replaces] if other is not entry]
            if (told := _of_replaces(entry, meant)) is not None:
                yield ("phases", number, "faults", place, "replaces"), told


def _idle_keys(entry: FaultEntry) -> Iterator[tuple[str, str]]:
    trigger = trigger_of(entry)
    if entry.every_s is not None and trigger != "time":
        instead = "; `times` repeats it" if trigger in COUNTED else ""
        yield "every_s", f"expected it beside a time, got it beside {_told(trigger)}{instead}"
    if entry.times is not None and (told := _of_times(entry, trigger)) is not None:
        yield "times", told
    if entry.jitter_s and trigger == "weight":
        yield "jitter_s", "expected none beside weight, whose times are random"
    if entry.fault is not None and not entry.fault.lasting:
        over = f"expected none, since {entry.kind!r} is over at once and leaves nothing to heal"
        for key in ("down_s", "for_s", "heal"):
            if getattr(entry, key) is not None:
                yield key, over


def _of_times(entry: FaultEntry, trigger: str) -> str | None:
    if trigger in COUNTED:
        stays = entry.fault is not None and entry.fault.lasting and entry.hold_s is None
        more = entry.times is not None and entry.times > 1
        return "expected down_s or for_s beside it, got none" if stays and more else None
    if trigger == "time":
        return None if entry.every_s is not None else "expected every_s beside it, got none"
    known = ", ".join(sorted(COUNTED))
    return f"expected it beside every_s or `at` ({known}), got it beside {_told(trigger)}"


def _of_replaces(entry: FaultEntry, meant: Sequence[FaultEntry]) -> str | None:
    """Refuse `replaces` where the old fault would stay in force and yet be reported as healed."""
    slot = None if entry.fault is None else entry.fault.slot
    if slot not in TAKEN_OVER:
        return f"expected it beside a {' or '.join(sorted(TAKEN_OVER))} fault, got {entry.kind!r}"
    wrong = [e.kind for e in meant if e.fault is None or e.fault.slot != slot]
    return f"expected another {slot!r} fault, got {wrong[0]!r}" if wrong else None


def _told(trigger: str) -> str:
    return "nothing else" if trigger == "order" else trigger


def complaints(
    scenario: Scenario, phase: Phase, entry: FaultEntry, known: Known
) -> Iterator[Complaint]:
    """Give what is wrong with one entry; `known` counts the names of all entries."""
    yield from of_nodes(scenario, entry)
    yield from _of_fault(scenario, entry)
    yield from _of_trigger(scenario, phase, entry)
    yield from _of_first(phase, entry)
    yield from _of_names(entry, known)
    if entry.weight is not None and phase.mix_s is None:
        yield ("weight",), "expected mix_s beside it in the phase, got none"
    if entry.weight is not None and entry.hold_s is None and _lasts(entry):
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


def _lasts(entry: FaultEntry) -> bool:
    return entry.fault is not None and entry.fault.lasting


def of_nodes(scenario: Scenario, entry: FaultEntry) -> Iterator[Complaint]:
    """Require that a target, and each other node that is named, exists in this cluster."""
    if entry.fault is not None:
        target, alone = entry.fault.target, entry.fault.of_host
        what = roles.complaint_of_target(target, scenario.cluster, scenario.bind, alone=alone)
        if what is not None:
            keys = (key for key in ("groups", "pairs", "target") if hasattr(entry.fault, key))
            yield (entry.kind, next(keys)), what
    if entry.at is not None and entry.at.log is not None:
        yield from _of_node(scenario, entry.at.log.node, ("at", "log", "node"))
    if entry.at is not None and entry.at.failpoint is not None:
        yield from _of_node(scenario, entry.at.failpoint.node, ("at", "failpoint", "node"))
    if entry.until is not None:
        yield from _of_node(scenario, entry.until.node, ("until", "node"))


def _of_fault(scenario: Scenario, entry: FaultEntry) -> Iterator[Complaint]:
    """Require the workload that a fault is about, and the cluster settings that it needs."""
    if entry.fault is None:
        return
    kinds = ["any", *dict.fromkeys(work.kind for work in scenario.workloads)]
    workload = getattr(entry.fault, "workload", "any")
    if workload not in kinds:
        yield (entry.kind, "workload"), expected_one_of(kinds, workload)
    if entry.fault.of_gateway and scenario.transport != "rest":
        yield (entry.kind,), "expected `transport: rest` for this fault, got none"
    if isinstance(entry.fault, Failpoint) and scenario.cluster.failpoints:
        yield from _of_point(scenario, entry.fault.point, (entry.kind,))
    for need in sorted(entry.fault.needs):
        if not getattr(scenario.cluster, need):
            yield (entry.kind,), f"expected `cluster: {{{need}: ...}}` for this fault, got none"


def _of_trigger(scenario: Scenario, phase: Phase, entry: FaultEntry) -> Iterator[Complaint]:
    """Refuse a trigger that cannot fire in this phase or on this cluster."""
    if entry.at is None:
        return
    reach = sum(work.workload.reach() for work in phase.workload)
    for what in ("acknowledged", "invoked"):
        first = getattr(entry.at, what)
        if first is None or (last := first * (entry.times or 1)) <= reach:
            continue
        told = f"{first}" if last == first else f"{entry.times} times {first}"
        yield ("at", what), f"expected at most {reach}, the phase's puts, got {told}"
    if entry.at.event is not None and scenario.cluster.size == 1:
        yield ("at", "event"), "expected several nodes for an election, got one"
    if (at := entry.at.failpoint) is not None:
        yield from _of_point(scenario, at.point, ("at", "failpoint"))


def _of_point(scenario: Scenario, point: str, where: Sequence[str]) -> Iterator[Complaint]:
    """Require a server under the agent, and of a release of ours that it has the point."""
    cluster = scenario.cluster
    if not cluster.failpoints:
        yield where, "expected `cluster: {failpoints: true}` beside it, got none"
    release = None if cluster.image is not None else cluster.zookeeper
    if (told := failpoint_list.complaint(point, release)) is not None:
        yield (*where, "point"), told


def _of_first(phase: Phase, entry: FaultEntry) -> Iterator[Complaint]:
    """Refuse a first time after the phase: nothing would be planned, without a word."""
    elapsed_s = entry.at.elapsed_s if entry.at is not None else None
    every_s = entry.every_s if entry.at is None and entry.first_s is None else None
    times = {("first_s",): entry.first_s, ("at", "elapsed_s"): elapsed_s, ("every_s",): every_s}
    for where, first_s in times.items():
        if first_s is not None and first_s > phase.limit_s:
            yield (
                where,
                f"expected at most {phase.limit_s:g}, the phase's limit_s, got {first_s:g}",
            )


def _of_names(entry: FaultEntry, known: Known) -> Iterator[Complaint]:
    """Require that `heal` and `replaces` name faults that exist."""
    if entry.heal is not None:
        never = entry.fault is not None
        right = entry.heal == "never" if never else _names_a_fault(entry.heal, known)
        if not right:
            names = ["never"] if never else ["all", *sorted(set(known) - {"heal"})]
            yield ("heal",), expected_one_of(names, entry.heal)
    if entry.replaces is not None:
        itself = entry.replaces == entry.label
        if known.get(entry.replaces, 0) <= itself:
            names = [name for name in known if name != entry.label]
            yield ("replaces",), expected_one_of(names, entry.replaces)


def _names_a_fault(heal: str, known: Known) -> bool:
    return heal == "all" or (heal != "heal" and heal in known)


def _of_node(scenario: Scenario, node: str | int, where: Sequence[str]) -> Iterator[Complaint]:
    last = scenario.cluster.size
    if node == "leader" and last == 1:
        yield where, "expected 1, since a single node has no role, got 'leader'"
    elif node not in scenario.bind and node != "leader" and node not in range(1, last + 1):
        known = [*scenario.bind, "leader", f"1..{last}"]
        told = f"expected one of {listed(known)}, got {node!r}{likely(known, str(node))}"
        yield where, told
