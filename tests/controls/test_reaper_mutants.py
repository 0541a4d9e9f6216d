"""A queue that does not give a dead consumer's items back costs the run its verdict.

The scenario about it is run in memory, without Docker; `test_quorum_mutants` does it on servers.
"""

from pathlib import Path

import pytest

from harness.common.verdict import Verdict
from harness.scenario import loading
from harness.scenario.schema import Scenario
from worlds.command_line import ROOT
from worlds.memory.run import consumer_crash
from worlds.planted.reaper_mutants import GIVING_BACK_DELETES, REAPER_MUTANTS, ReaperMutant

MUTANTS = [*REAPER_MUTANTS, GIVING_BACK_DELETES]


@pytest.fixture
def about_it() -> Scenario:
    """Return the scenario that the queue's README points to."""
    return loading.load(ROOT / "scenarios/seed/consumer-crash.yaml")


def test_the_queue_itself_is_valid(about_it: Scenario, tmp_path: Path) -> None:
    """What finds the mutants finds nothing in the queue as it is, and it is not idle."""
    judgement, history = consumer_crash(tmp_path, about_it)
    assert judgement.verdict is Verdict.VALID, judgement.results
    assert (judgement.counts["redelivered"], judgement.counts["completed"]) == (1, 20)
    assert history.gap_at is None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_reaper_is_found(
    mutant: ReaperMutant, about_it: Scenario, tmp_path: Path
) -> None:
    """The verdict is not valid, for the reason that it must not be, and the item is named."""
    with mutant.applied():
        judgement, _ = consumer_crash(tmp_path, about_it)
    assert judgement.verdict.word == mutant.verdict
    result = next(r for r in judgement.results if r.name == "total-queue")
    assert mutant.reason in result.reasons
    assert result.details["owed"] == [1]
    assert result.witnesses
