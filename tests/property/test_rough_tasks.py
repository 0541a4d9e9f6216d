"""The asyncio queue loses nothing, and tells each task the truth, whatever is cancelled when."""

from unittest import mock

import pytest

from worlds.rough_runs import judge_all, judged
from worlds.tasks.handed import Got
from worlds.tasks.mutants import TASK_MUTANTS, TaskMutant
from worlds.tasks.rough_tasks import RoughTasks

RUNS = 5
MANY = 300
# How many runs a mutant gets until it must have been found.
FOUND_WITHIN = 12


def test_nothing_is_lost_and_each_outcome_is_true() -> None:
    """Tasks are cancelled at any await while requests and answers are lost, sessions end, and
    clients crash: no item is lost, held by no task or handed out twice, every outcome that a task
    is told is that of the servers' log, and no call blocks an event loop.
    """
    tally = judge_all(RoughTasks, range(RUNS))
    expected = {
        "put cancelled", "put dropped", "put unknown", "reserve cancelled", "done cancelled",
        "block cancelled", "block failed", "loop left", "killed", "not held", "done unknown",
        "worker ended", "worker cancelled", "touched", "touch cancelled", "buried", "kicked",
        "bury cancelled", "done with a reserve", "done with a reserve again", "duplicate",
    }  # fmt: skip
    assert {name for name in expected if not tally[name]} == set()
    assert tally["got"] > RUNS * 100


@pytest.mark.slow
def test_the_same_for_many_seeds() -> None:
    """Three hundred other runs."""
    judge_all(RoughTasks, range(RUNS, RUNS + MANY))


def test_a_seed_runs_the_same_way_again() -> None:
    """What failed once can be looked at."""
    assert judged(RoughTasks(3)) == judged(RoughTasks(3))


def test_a_delivery_that_two_tasks_had_is_judged_by_the_last() -> None:
    """One task is told, rightly, "not done"; then the next one ends the same delivery."""
    run, item = RoughTasks(0), mock.Mock(data=b"a")
    first, last = (Got(item, "/claim", 1, asked=True, is_done=done) for done in (False, True))
    run.ledger.acknowledged.add("/claim")
    assert [list(run._judge(got, [first, last])) for got in (first, last)] == [[], []]
    assert list(run._judge(first, [first])) == ["/claim: told not done, and that is false"]


@pytest.mark.parametrize("mutant", TASK_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_queue_without_a_precaution_is_found(mutant: TaskMutant) -> None:
    """Each is found for its own reason, so the correct queue is not accused of nothing."""
    with mutant.applied():
        assert any(
            mutant.found in wrong
            for seed in (mutant.seed, *range(FOUND_WITHIN))
            for wrong in judged(RoughTasks(seed))[0]
        )
