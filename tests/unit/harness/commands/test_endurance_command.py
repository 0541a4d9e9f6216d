"""`harness endurance` prints the sum of runs, and ends with 1 if something was lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.commands import endurance_command
from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.report import page

OUTAGE = {"begin_ns": 2_100_000_000, "length_s": 1.5}


def ran(runs: Path, *, lost: int = 0) -> Path:
    """Make the folder of a run with one fault, named as in the table of field rates."""
    folder = run_folder.create(runs, "x", 1, "description: d\n")
    kill = {"fault": "kill", "name": "software-error-1", "what": "kill node 3 (leader)"}
    kill |= {"target": "leader", "nodes": [3], "outcome": "installed", "inject_ns": 2_000_000_000}
    kill |= {"heal_ns": 4_000_000_000, "heal_outcome": "installed", "evidence": {}}
    kill |= {"unavailable_s": 1.5}
    details = {"faults": [], "put_outages": [OUTAGE]}
    check: dict[str, Any] = {"name": "availability", "verdict": "valid", "reasons": []}
    check |= {"details": details, "findings": [], "witnesses": [], "more_witnesses": 0}
    told = {"scenario": "x", "seed": 1, "verdict": "valid", "because": None, "expect": "valid"}
    loss = check | {"name": "total-queue", "details": {}}
    loss |= {"verdict": "invalid" if lost else "valid"}
    told |= {"as_expected": True, "not_run": [], "faults": [kill], "checks": [check, loss]}
    told |= {"counts": dict.fromkeys(page.COUNTS, 0) | {"acknowledged": 600, "lost": lost}}
    told |= {"availability": {"fraction": 1.0, "longest_gap_s": 1.5}}
    folder.results.write_text(json.dumps(told))
    return folder.path


def test_two_runs_are_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Faults, losses with their bound, downtime by the table's rates, the longest outage."""
    status = endurance_command.endurance([ran(tmp_path), ran(tmp_path)])
    told = capsys.readouterr().out
    assert status == 0
    assert "2 runs, 2 faults installed, 1,200 puts acknowledged" in told
    assert "0 lost, 0 duplicated; 95 % sure: fewer than 1 in 400 (3/n)" in told
    assert "puts are down 12 s a year (95 %: 12 to 12)" in told  # 8 a year, 1.5 s each
    assert "longest outage: 1.5 s, after kill node 3 (leader), at 2.1 s of" in told
    assert "not in these runs, and not in the downtime: overload (8 a year)" in told


def test_a_run_that_broke_off_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others count; without any other there is nothing to add up."""
    broken = run_folder.create(tmp_path, "x", 1, "description: d\n").path
    assert endurance_command.endurance([ran(tmp_path), broken]) == 0
    told = capsys.readouterr().out
    assert "1 run, 1 fault installed" in told
    assert f"left out, since it has no verdict (`harness check` gives one): {broken}" in told
    with pytest.raises(ScenarioError, match="expected a judged run"):
        endurance_command.endurance([broken])


def test_a_loss_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And there is no bound."""
    assert endurance_command.endurance([ran(tmp_path, lost=2)]) == 1
    told = capsys.readouterr().out
    assert "2 lost, 0 duplicated\n" in told


def test_a_run_that_is_named_twice_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`runs/*/* runs/latest` names the newest run twice: no bound becomes better by that."""
    run = ran(tmp_path)
    (tmp_path / "newest").symlink_to(run)
    assert endurance_command.endurance([run, tmp_path / "newest"]) == 0
    assert "1 run, 1 fault installed, 600 puts acknowledged" in capsys.readouterr().out
