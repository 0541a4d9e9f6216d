"""The order by which a run is judged: the scenario's `claim`, or else a rule."""

from harness.claim import Level
from harness.scenario.schema import Scenario


def order_claimed(scenario: Scenario) -> Level:
    """Return the order by which a run is judged: `claim`, else the strictest that zkmq keeps.

    An item of a group waits for others of its group, and Celery starts tasks side by side. A
    server that does not stop at its fault may go on showing an old state.
    """
    if scenario.level is not None:
        return scenario.level
    if has_groups(scenario) or scenario.subject == "celery":
        return "unordered"
    if scenario.order == "relaxed":
        return "window" if scenario.transport == "kazoo" else "unordered"
    synced = all(entry.workload.sync for entry in scenario.workloads)
    return "snapshot" if synced and all(f.fail_stop for f in scenario.faults_used) else "stale"


def has_groups(scenario: Scenario) -> bool:
    """Tell whether some items are put into groups."""
    return any(getattr(entry.workload, "groups", None) for entry in scenario.workloads)
