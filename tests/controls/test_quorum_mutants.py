"""The real quorum bites: each precaution of the queue, once taken away, costs a run its verdict.

The harness and its workers are started as a user starts them, with `worlds/mutated` on Python's
path, so that every process has the mutant; nothing in the harness knows of it.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from worlds.command_line import ROOT, harness
from worlds.crash_points.weakened import MUTANTS
from worlds.planted.reaper_mutants import REAPER_MUTANTS, ReaperMutant

pytestmark = [pytest.mark.docker, pytest.mark.slow]
WITHIN_S = 400
TESTS = ROOT / "tests"
MUTATED = TESTS / "worlds/mutated"
# By mutant: the scenario, and a reason for which the run must be invalid.
FOUND = {
    "no ticket": ("cut-off", "duplicated"),
    "reserve in two steps": ("dying", "lost"),
    "the original's _move": ("cut-off", "redelivered-after-done"),
    "done without the fence": ("frozen", "success-after-expiry"),
    "return under the old name": ("given-back", "delivery-count"),
    "roll without the guard": ("late", "fifo-order"),
}


# What leaves items to the reaper: a dead consumer, and over HTTP a dead gateway.
DEAD = {"kazoo": ROOT / "scenarios/seed/consumer-crash.yaml", "rest": MUTATED / "dead-rest.yaml"}


def judged(file: Path, runs: Path) -> dict[str, Any]:
    """Run a scenario and return its results.json."""
    done = harness("run", str(file), "--runs", str(runs), within_s=WITHIN_S)
    written = runs / "latest/results.json"
    assert written.exists(), done.stdout + done.stderr
    results: dict[str, Any] = json.loads(written.read_text())
    return results


def test_every_mutant_is_tried() -> None:
    """The mutants that crash points and simulation have to find are tried here too."""
    assert [mutant.name for mutant in MUTANTS] == list(FOUND)


@pytest.mark.parametrize("mutant", FOUND)
def test_a_mutant_is_found_for_the_expected_reason(
    mutant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four producers and four consumers on five servers under faults show what it was for."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(MUTATED), str(TESTS)]))
    monkeypatch.setenv("ZKMQ_MUTANT", mutant)
    scenario, reason = FOUND[mutant]
    results = judged(MUTATED / f"{scenario}.yaml", tmp_path)
    assert results["verdict"] == "invalid"
    assert reason in {found for check in results["checks"] for found in check["reasons"]}


@pytest.mark.parametrize("scenario", sorted({scenario for scenario, _ in FOUND.values()}))
def test_the_queue_itself_is_valid_under_the_same_faults(scenario: str, tmp_path: Path) -> None:
    """What finds the mutants finds nothing in the queue as it is."""
    assert judged(MUTATED / f"{scenario}.yaml", tmp_path)["verdict"] == "valid"


@pytest.mark.parametrize("transport", DEAD)
@pytest.mark.parametrize("mutant", REAPER_MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_reaper_costs_the_verdict(
    mutant: ReaperMutant, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that does not give the items of the dead back is never valid, and it is said why."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(MUTATED), str(TESTS)]))
    monkeypatch.setenv("ZKMQ_MUTANT", mutant.name)
    results = judged(DEAD[transport], tmp_path)
    assert results["verdict"] == mutant.verdict
    (books,) = (check for check in results["checks"] if check["name"] == "total-queue")
    assert mutant.reason in books["reasons"]
    assert books["details"]["owed"]


@pytest.mark.parametrize("transport", DEAD)
def test_the_queue_itself_gives_the_items_of_the_dead_back(transport: str, tmp_path: Path) -> None:
    """What finds the mutants of the reaper finds nothing in the queue as it is."""
    results = judged(DEAD[transport], tmp_path)
    assert (results["verdict"], results["counts"]["redelivered"] > 0) == ("valid", True)
