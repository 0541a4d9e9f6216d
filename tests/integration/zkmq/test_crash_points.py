"""Every operation of the queue is struck at each of its requests by each fault."""

import inspect

import pytest

from worlds.crash_points.course import CrashPoints, Trial, seeded_pairs
from worlds.crash_points.table import OPERATIONS
from zkmq.queue import Queue

pytestmark = pytest.mark.docker

SEED = 2011
# What is no operation on the server, and which rows strike at the others.
NOT_STRUCK_AT = {"connect": "open"}
# `work` and `consume` call reserve with `done=`; `pause` and `resume` change the charter as
# `upgrade` does, by the same function; `inspect` only reads, and `delete` reads the same, as
# `stats` does for `overview`.
SAME_REQUESTS = {
    "work": "fused",
    "consume": "fused",
    "pause": "upgrade",
    "resume": "upgrade",
    "inspect": "delete",
    "overview": "stats",
}
ROW_OF = {"put_many": "put-many", **SAME_REQUESTS, **NOT_STRUCK_AT}


def wrong(trials: list[Trial]) -> list[str]:
    """Whatever a trial found, or did not do."""
    return [str(trial) for trial in trials if trial.violations or trial.unstruck]


@pytest.mark.parametrize("name", OPERATIONS)
def test_any_single_fault_at_any_request_leaves_the_invariants(
    crash_points: CrashPoints, name: str
) -> None:
    """Whatever one request of an operation meets, the queue holds what its callers were told."""
    plain = crash_points.baseline(name)
    assert not wrong([plain])
    trials = crash_points.strike_all(name, crash_points.single_faults(name))
    assert len(trials) >= 5 * len(plain.requests)
    assert not wrong(trials)


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_seeded_pairs_of_faults_leave_the_invariants(crash_points: CrashPoints, seed: int) -> None:
    """A second fault, while the first is being recovered from, changes nothing of that."""
    trials = list(seeded_pairs(crash_points, seed, count=5))
    assert not wrong(trials)
    assert all(len(trial.plan) == 2 for trial in trials)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["put", "reserve", "done"])
def test_all_pairs_of_faults_leave_the_invariants(crash_points: CrashPoints, name: str) -> None:
    """The same for every second fault after every first one."""
    firsts = crash_points.strike_all(name, crash_points.single_faults(name))
    plans = [plan for first in firsts for plan in crash_points.pairs(first)]
    assert len(plans) > 10 * len(firsts)
    assert not wrong(crash_points.strike_all(name, plans))


def test_every_public_operation_has_a_row() -> None:
    """An operation that is added to Queue without a row here is noticed."""
    public = {
        name for name, _ in inspect.getmembers(Queue, inspect.isroutine) if not name.startswith("_")
    }
    rows = {ROW_OF.get(name, name) for name in public}
    assert rows <= set(OPERATIONS)
