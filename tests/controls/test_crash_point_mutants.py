"""The crash points bite: each precaution of the queue, once taken away, is missed at once."""

import os
from collections.abc import Iterator

import pytest

from worlds.crash_points.client import short_pauses
from worlds.crash_points.course import CrashPoints
from worlds.crash_points.weakened import MUTANTS, Mutant
from worlds.proxy.faults import KILLS

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def crash_points(request: pytest.FixtureRequest) -> Iterator[CrashPoints]:
    """One real server."""
    server = os.environ.get("ZK_HOSTS") or request.getfixturevalue("standalone_zookeeper")
    with short_pauses(), CrashPoints(server) as points:
        yield points


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_for_the_expected_reason(
    crash_points: CrashPoints, mutant: Mutant
) -> None:
    """Among the single faults of one operation is one that shows what the precaution was for."""
    # A process that is killed is not mutated.
    plans = [
        plan
        for plan in crash_points.single_faults(mutant.operation)
        if not KILLS.intersection(plan.values())
    ]
    with mutant.applied():
        trials = crash_points.strike_all(mutant.operation, plans)
    reasons = {violation.reason for trial in trials for violation in trial.violations}
    assert mutant.reason in reasons
