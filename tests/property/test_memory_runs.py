"""Whole runs in memory: real clients, checkers and queue, lost replies, deaths, slow followers."""

from pathlib import Path

import pytest

from harness.common.verdict import Verdict
from harness.scenario import loading
from harness.scenario.schema import Scenario
from worlds.memory.run import ROUGH, rough
from worlds.planted.reaper_mutants import GIVING_BACK_DELETES, REAPER_MUTANTS, ReaperMutant

MUTANTS = [*REAPER_MUTANTS, GIVING_BACK_DELETES]

RUNS = 60
SOME = 10


@pytest.fixture
def wanted(tmp_path: Path) -> Scenario:
    """Return a scenario of what the clients do."""
    path = tmp_path / "x.yaml"
    path.write_text(ROUGH)
    return loading.load(path)


def test_a_correct_queue_loses_nothing_whatever_its_clients_meet(
    wanted: Scenario, tmp_path: Path
) -> None:
    """No checker accuses it, every item is accounted for, and the runs are rough."""
    redelivered = unfinished = 0
    for seed in range(RUNS):
        judgement, _ = rough(tmp_path / str(seed), wanted, seed)
        verdicts = {result.name: result.verdict for result in judgement.results}
        assert Verdict.INVALID not in verdicts.values(), f"seed {seed}"
        earned = {verdicts["completed"], verdicts["total-queue"]}
        assert earned == {Verdict.VALID}, f"seed {seed}"
        redelivered += judgement.counts["redelivered"] or 0
        unfinished += judgement.counts["unfinished"] or 0
    assert redelivered > RUNS
    assert unfinished > 0  # acknowledged by calls of unknown outcome only


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_reaper_is_found_in_rough_runs(
    mutant: ReaperMutant, wanted: Scenario, tmp_path: Path
) -> None:
    """Lost replies and deaths hide nothing: the verdict is the mutant's, most of the time."""
    verdicts = []
    with mutant.applied():
        for seed in range(SOME):
            judgement, _ = rough(tmp_path / str(seed), wanted, seed)
            verdicts.append(judgement.verdict.word)
    assert verdicts.count(mutant.verdict) > SOME // 2
