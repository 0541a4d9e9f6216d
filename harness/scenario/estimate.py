"""How long a phase takes if nothing stalls, by its plan, for people who wait."""

from collections.abc import Iterable, Sequence

from harness.progress import Progress
from harness.scenario.plan import Planned
from harness.scenario.schema import Phase, Scenario, WorkloadEntry


def tell(
    progress: Progress, scenario: Scenario, planned: Sequence[Planned], number: int, now_s: float
) -> None:
    """Tell that a phase begins, and when it and the last one should be over."""
    phases = scenario.phases
    needed = [
        phase_s(phases[place], (p for p in planned if p.phase == place))
        for place in range(number, len(phases))
    ]
    all_s = left_s(needed)
    place = f"phase {number + 1} of {len(phases)}"
    progress.begin(
        f"{phases[number].name} ({place})" if phases[number].name else place,
        limit_s=now_s + phases[number].limit_s,
        phase_due_s=None if needed[0] is None else now_s + needed[0],
        run_due_s=None if all_s is None else now_s + all_s,
    )


def phase_s(phase: Phase, planned: Iterable[Planned]) -> float | None:
    """Return the seconds that a phase's paced puts take, or its faults where it has no clients.

    None if no pace is given, or a fault waits for something: then the machine's speed decides.
    """
    if not phase.workload:
        ends_s = [None if p.at_s is None else p.at_s + (p.hold_s or 0.0) for p in planned]
        known_s = [end_s for end_s in ends_s if end_s is not None]
        return max(known_s) if known_s and len(known_s) == len(ends_s) else None
    paced = [_chain_s(entry, phase.workload) for entry in phase.workload]
    return max(paced) or None


def left_s(estimates: Sequence[float | None]) -> float | None:
    """Return the sum of what is to come; None if one of them is not known."""
    known = [estimate for estimate in estimates if estimate is not None]
    return sum(known) if len(known) == len(estimates) else None


def _chain_s(entry: WorkloadEntry, beside: Sequence[WorkloadEntry]) -> float:
    """Return what a workload takes, after the one that it waits for."""
    work = entry.workload
    count, rate_hz = getattr(work, "count", None), getattr(work, "rate_hz", None)
    own_s = count / rate_hz if count and rate_hz else 0.0
    before = [other for other in beside if other.kind == work.after]
    return own_s + max((_chain_s(other, beside) for other in before), default=0.0)
