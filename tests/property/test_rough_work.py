"""The worker loop loses nothing, and explains each duplicate, whatever happens around it."""

import pytest

from worlds.rough_runs import judge_all, judged
from worlds.workers.mutants import WORK_MUTANTS, WorkMutant
from worlds.workers.rough_work import RoughWork

RUNS = 25
MANY = 1000
# How many runs a mutant gets until it must have been found.
FOUND_WITHIN = 12


def test_no_item_is_lost_and_no_duplicate_is_unexplained() -> None:
    """Leader changes, outages, ended sessions and kills: every item is handled, and the runs are
    rough: jobs were lost, in doubt, retried, buried, given back, and killed with their process.
    """
    tally = judge_all(RoughWork, range(RUNS))
    expected = {"DONE", "LOST", "UNKNOWN", "RETRIED", "DEAD", "GIVEN_BACK", "killed"}
    assert {name for name in expected if not tally[name]} == set()
    assert tally["DONE"] > RUNS * 10


@pytest.mark.slow
def test_the_same_for_many_seeds() -> None:
    """A thousand other runs."""
    judge_all(RoughWork, range(RUNS, RUNS + MANY))


def test_a_seed_runs_the_same_way_again() -> None:
    """What failed once can be looked at."""
    assert judged(RoughWork(3)) == judged(RoughWork(3))


@pytest.mark.parametrize("mutant", WORK_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_worker_without_a_precaution_is_found(mutant: WorkMutant) -> None:
    """Each is found for its own reason, so the correct worker is not accused of nothing."""
    with mutant.applied():
        assert any(
            mutant.found in wrong
            for seed in range(FOUND_WITHIN)
            for wrong in judged(RoughWork(seed))[0]
        )
