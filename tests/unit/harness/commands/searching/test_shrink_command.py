"""`harness shrink` with an oracle in the place of a quorum: what it runs, writes and says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.commands.running.launch import Ran
from harness.commands.searching import shrink_command, trials
from harness.common.harness_errors import HarnessError, HistoryError, RunError, ScenarioError
from harness.common.run_folder import RunFolder
from harness.common.verdict import CheckResult, Verdict
from harness.report import page
from harness.scenario import loading
from harness.scenario.schema import Scenario

SCENARIOS = Path(__file__).parents[5] / "scenarios"
Oracle = Callable[[Scenario], bool]


def votes(loaded: Scenario) -> bool:
    """Tell whether a wiped member votes and items are lost, as the real quorum does.

    Cut, puts while it is in force, the wipe, the moved cut, and the start before all heals.
    """
    steps = [
        lambda entry: getattr(entry, "name", None) == "cut",
        lambda entry: entry.kind == "put-all",
        lambda entry: entry.kind == "kill" and entry.fault.wipe and entry.fault.target == "l",
        lambda entry: getattr(entry, "replaces", None) == "cut",
        lambda entry: entry.kind == "start" and entry.until is not None,
    ]
    for phase in loaded.phases:
        for entry in [*phase.faults, *phase.workload]:
            if steps and steps[0](entry):
                del steps[0]
    return not steps


class World:
    """What is run instead of a quorum, and how often."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle, self.runs = oracle, 0
        self.limits_s: list[float] = []

    def launch(self, loaded: Scenario, name: str, folder: RunFolder, *_: Any, **__: Any) -> Ran:
        """Judge by the oracle."""
        self.runs += 1
        self.limits_s.append(max(phase.limit_s for phase in loaded.phases))
        lost = {"name": "total-queue", "verdict": "invalid", "reasons": ["lost"]}
        fails = self.oracle(loaded)
        checks = [lost] if fails else []
        return Ran(folder=folder, results={"because": None, "checks": checks}, took_s=3.0)


def run_of(name: str, folder: Path) -> Path:
    """Return the folder of a run of a scenario that lost items."""
    (folder / "scenario.yaml").write_text((SCENARIOS / f"{name}.yaml").read_text())
    lost = CheckResult(name="total-queue", verdict=Verdict.INVALID, reasons=("lost",))
    told = {"scenario": name, "seed": 7, "verdict": "invalid", "expect": "invalid"}
    told |= {"because": "lost", "as_expected": True, "counts": dict.fromkeys(page.COUNTS, 0)}
    told |= {"checks": [lost.as_json()], "not_run": [], "faults": []}
    told |= {"availability": {"fraction": None, "longest_gap_s": None}}
    (folder / "results.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run of the small scenario that the loss was found with."""
    return run_of("findings/wiped-member-votes", tmp_path)


def world(monkeypatch: pytest.MonkeyPatch, oracle: Oracle) -> World:
    """Put an oracle in the place of the quorum."""
    made = World(oracle)
    monkeypatch.setattr(trials, "launch", made.launch)
    return made


def test_the_loss_is_found_in_the_haystack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve faults and 2,000 items four and one are left, in as many runs as minutes allow."""
    counted = world(monkeypatch, votes)
    run = run_of("long/haystack", tmp_path)
    whole = loading.load(run / "scenario.yaml")
    assert sum(entry.kind != "heal" for phase in whole.phases for entry in phase.faults) == 12
    assert sum(work.workload.reach() for work in whole.workloads) == 2000
    assert shrink_command.shrink_(run, times=10) == 0
    found = loading.load(run / "shrunk.yaml")
    entries = [entry for phase in found.phases for entry in phase.faults]
    assert [entry.kind for entry in entries] == ["partition", "kill", "partition", "start"]
    assert [(work.kind, work.workload.count) for work in found.workloads] == [("put-all", 1)]
    assert (found.expect, found.because, found.seed) == ("invalid", "lost", 7)
    assert votes(found)
    assert counted.runs < 70


def test_the_file_says_where_it_comes_from(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments name the run, both sizes and the rate; each entry stands on one line."""
    world(monkeypatch, votes)
    shrink_command.shrink_(run, times=10, output=run / "small.yaml")
    text = (run / "small.yaml").read_text()
    for line in (
        "# Shrunk from findings/wiped-member-votes (seed 7) by `harness shrink`:",
        "#   5 faults, 100 items, 1 workload, 3 phases",
        "#   -> 4 faults, 1 item, 1 workload, 3 phases",
        "# Failed in 10 of 10 (72 to 100 %) runs because of 'lost'.",
        "  - {kill: {target: l, wipe: true}}",
    ):
        assert line in text.splitlines()
    assert max(map(len, text.splitlines())) <= 120


def test_a_smaller_scenario_is_given_up_soon(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known how long the failure takes, no candidate may take much longer."""
    seen = world(monkeypatch, votes)
    shrink_command.shrink_(run, times=1)
    assert seen.limits_s[0] == 300
    assert set(seen.limits_s[2:]) == {2 * 3.0 + 10.0}


@pytest.mark.parametrize(
    "error",
    [RunError("phase 1 of 2: expected its end within 16 s"), HistoryError("put of 1: twice")],
)
def test_a_candidate_that_breaks_does_not_fail(
    run: Path, monkeypatch: pytest.MonkeyPatch, error: HarnessError
) -> None:
    """A candidate that comes to no end is none, and the search goes on without it."""

    def breaks(loaded: Scenario) -> bool:
        if len(loaded.phases) < 3:
            raise error
        return votes(loaded)

    world(monkeypatch, breaks)
    assert shrink_command.shrink_(run, times=1) == 0
    assert len(loading.load(run / "shrunk.yaml").phases) == 3


def test_if_the_scenario_itself_breaks_that_is_the_error(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an engine there is nothing to search with."""

    def breaks(_: Scenario) -> bool:
        raise RunError("no Docker engine answers")

    world(monkeypatch, breaks)
    with pytest.raises(RunError, match="no Docker engine answers"):
        shrink_command.shrink_(run)


def test_a_run_whose_subject_is_gone_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be run again, which is not the same as not failing any more."""
    file = run / "scenario.yaml"
    file.write_text("subject: gone:Queue\n" + file.read_text())
    world(monkeypatch, votes)
    with pytest.raises(ScenarioError, match="gone"):
        shrink_command.shrink_(run)


def test_what_does_not_show_again_is_not_shrunk(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that is gone leaves no file, and the status of an unknown outcome."""
    world(monkeypatch, lambda _: False)
    assert shrink_command.shrink_(run) == 2
    assert not (run / "shrunk.yaml").exists()


def test_the_time_ends_the_search(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no minute for the search nothing is tried."""
    counted = world(monkeypatch, votes)
    assert shrink_command.shrink_(run, minutes=0) == 2
    assert counted.runs == 0


def test_ctrl_c_leaves_the_smallest_so_far(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no patience gets what was found, and is told that it was not measured."""
    counted = world(monkeypatch, votes)

    def impatient(loaded: Scenario) -> bool:
        if counted.runs == 8:
            raise KeyboardInterrupt
        return votes(loaded)

    counted.oracle = impatient
    assert shrink_command.shrink_(run) == 2
    text = (run / "shrunk.yaml").read_text()
    assert "# Not measured because" in text
    assert votes(loading.load(run / "shrunk.yaml"))


def test_a_smaller_one_that_fails_too_rarely_is_not_taken(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what was found fails less often than wanted, one that was kept before it is taken."""
    measuring: list[bool] = [False]

    class Watched(trials.Trials):
        """Trials that know what they are for."""

        def rate(self, candidate: Any, times: int, *, allowed: float) -> Any:
            """Measure, or try."""
            measuring[0] = times == 10
            return super().rate(candidate, times, allowed=allowed)

    def flaky(loaded: Scenario) -> bool:
        small = all(work.workload.count < 50 for work in loaded.workloads)
        return votes(loaded) and not (small and measuring[0])

    world(monkeypatch, flaky)
    monkeypatch.setattr(shrink_command, "Trials", Watched)
    assert shrink_command.shrink_(run, times=10) == 0
    data = yaml.safe_load((run / "shrunk.yaml").read_text())
    assert data["phases"][1]["workload"][0]["put-all"]["count"] == 100


def test_if_none_is_frequent_enough_the_status_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that shows every other time is written with its rate, and ends with 1."""
    counted = world(monkeypatch, votes)
    counted.oracle = lambda loaded: votes(loaded) and counted.runs % 2 == 1
    assert shrink_command.shrink_(run, tries=1, times=10) == 1
    assert "# Failed in " in (run / "shrunk.yaml").read_text()
