"""How long a phase takes if nothing stalls: the forecast that the terminal shows."""

from collections.abc import Iterable, Sequence

from harness.common.progress import Progress
from harness.scenario.plan import Planned
from harness.scenario.schema import Phase, Scenario, WorkloadEntry


def tell(
    progress: Progress, scenario: Scenario, planned: Sequence[Planned], number: int, now_s: float
) -> None:
    """Show that a phase begins, and when this phase and the run should be over."""
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
    """Return how long a phase's paced workloads take; without workloads, its faults.

    None if no workload has a rate, or if a fault waits for an event.
    """
    if not phase.workload:
        ends_s = [None if p.at_s is None else p.at_s + (p.hold_s or 0.0) for p in planned]
        known_s = [end_s for end_s in ends_s if end_s is not None]
        return max(known_s) if known_s and len(known_s) == len(ends_s) else None
    paced = [_chain_s(entry, phase.workload) for entry in phase.workload]
    return max(paced) or None


def left_s(estimates: Sequence[float | None]) -> float | None:
    """Return the sum of the estimates; None if one of them is unknown."""
    known = [estimate for estimate in estimates if estimate is not None]
    return sum(known) if len(known) == len(estimates) else None


def _chain_s(entry: WorkloadEntry, beside: Sequence[WorkloadEntry]) -> float:
    """Return the duration of a workload, the one that it waits for included."""
    work = entry.workload
    count, rate_hz = getattr(work, "count", None), getattr(work, "rate_hz", None)
    own_s = count / rate_hz if count and rate_hz else 0.0
    before = [other for other in beside if other.kind == work.after]
    return own_s + max((_chain_s(other, beside) for other in before), default=0.0)
