"""results.json and the exit status: what a run amounts to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import results
from harness.common.verdict import Verdict
from harness.history.columns import History
from harness.scenario import loading, plan
from harness.scenario.schema import Scenario
from worlds.histories.by_hand import drained, ended_run, history, note, op, queue_events, queue_run
from worlds.planted import histories as planted


def described(tmp_path: Path, text: str = "") -> Scenario:
    """Return a scenario with these further keys."""
    path = tmp_path / "x.yaml"
    path.write_text(f"description: d\nworkload: [{{put-all: {{}}}}]\n{text}")
    return loading.load(path)


def built(run: History, wanted: Scenario, interrupted: str | None = None) -> dict[str, Any]:
    """Judge a history and build results.json."""
    judgement = results.judge_run(run, wanted, plan.make(wanted))
    return results.build("x", wanted, run, judgement, interrupted=interrupted)


def nemesis(id: int, phase: str, at_ns: int, outcome: str = "installed") -> list[dict[str, object]]:
    """Return the event of one injection or heal."""
    return note(
        "kill",
        at_ns,
        process="nemesis",
        id=id,
        name="kill",
        phase=phase,
        target="leader",
        nodes=[3],
        outcome=outcome,
        evidence={"seen": phase},
    )


def test_faults_carry_their_settings_and_what_they_did(tmp_path: Path) -> None:
    """A reader of results.json sees that the data was wiped, without opening the scenario."""
    wanted = described(tmp_path, "faults: [{kill: {wipe: true}}]\n")
    run = history(ended_run(queue_events(5)) + nemesis(0, "inject", 1))
    (row,) = results.faults_of(run, results.judge_run(run, wanted, None), wanted)
    assert row["settings"] == {"target": "leader", "wipe": True}
    assert row["what"] == "kill+wipe node 3"
    json.dumps(row)


def test_a_fault_that_the_scenario_does_not_know_is_told_by_its_kind_and_nodes(
    tmp_path: Path,
) -> None:
    """A history from elsewhere is judged with what it says itself."""
    wanted = described(tmp_path, "faults: [{isolate: {}, name: kill}]\n")
    run = history(ended_run(queue_events(5)) + nemesis(0, "inject", 1))
    (row,) = results.faults_of(run, results.judge_run(run, wanted, None), wanted)
    assert (row["settings"], row["what"]) == ({}, "kill node 3")


def test_a_clean_run(tmp_path: Path) -> None:
    """A run without findings is valid, as expected, and ends with 0."""
    out = built(history(ended_run(queue_events(5))), described(tmp_path))
    assert (out["verdict"], out["expect"], out["as_expected"]) == ("valid", "valid", True)
    assert out["counts"]["acknowledged"] == 5
    assert out["counts"]["lost"] == 0
    assert "interrupted" not in out
    assert results.exit_status(out) == 0
    json.dumps(out)


@pytest.mark.parametrize(
    ("keys", "run", "reason"),
    [
        ("recovery_s: 5", planted.slow_to_recover, "slow-recovery"),
        (
            "faults: [{kill: {}}]\navailability: {during: kill, max_fraction: 0}",
            planted.served_by_a_minority,
            "too-available",
        ),
    ],
    ids=["recovery", "availability"],
)
def test_bounds_of_the_scenario_are_judged(
    tmp_path: Path, keys: str, run: Callable[[], History], reason: str
) -> None:
    """What a scenario bounds makes a run invalid, for that reason; without the bound it is not."""
    bound, free = (built(run(), described(tmp_path, f"{k}\n")) for k in (keys, "seed: 1"))
    told = [{r for check in out["checks"] for r in check["reasons"]} for out in (bound, free)]
    assert (bound["verdict"], reason in told[0], reason in told[1]) == ("invalid", True, False)


def test_a_loss_is_not_as_expected(tmp_path: Path) -> None:
    """A lost item where none was expected ends with 1, and the check says why."""
    out = built(queue_run(5, lost=[5]), described(tmp_path))
    assert (out["verdict"], out["as_expected"]) == ("invalid", False)
    assert out["counts"]["lost"] == 1
    assert any("lost" in check["reasons"] for check in out["checks"])
    assert results.exit_status(out) == 1


@pytest.mark.parametrize(
    ("lost", "because", "status"),
    [
        ([5], "because: lost", 0),
        ([5], "", 0),
        ([5], "because: duplicated", 1),
        ([], "because: lost", 1),
    ],
)
def test_a_control_must_find_its_bug(
    tmp_path: Path, lost: list[int], because: str, status: int
) -> None:
    """A control is as expected only if it is invalid, and for the reason it names."""
    wanted = described(tmp_path, f"expect: invalid\n{because}\n")
    run = history(ended_run(queue_events(5, lost=lost)))
    assert results.exit_status(built(run, wanted)) == status


def test_nothing_acknowledged_is_unknown(tmp_path: Path) -> None:
    """An empty history shows nothing: 2, never 0."""
    out = built(history(), described(tmp_path))
    assert out["verdict"] == "unknown"
    assert results.exit_status(out) == 2


def test_an_interrupted_run_is_at_best_unknown(tmp_path: Path) -> None:
    """What was cut off is unknown even if all that was recorded is fine."""
    whole = history(ended_run(queue_events(5)))
    out = built(whole, described(tmp_path), "Ctrl-C")
    assert (out["verdict"], out["interrupted"]) == ("unknown", "Ctrl-C")
    assert results.exit_status(out) == 2


def test_an_interrupted_run_can_be_invalid(tmp_path: Path) -> None:
    """A loss that was already proven is not excused by Ctrl-C."""
    out = built(queue_run(5, lost=[5]), described(tmp_path), "Ctrl-C")
    assert out["verdict"] == "invalid"
    assert results.exit_status(out) == 1


@pytest.mark.parametrize("text", ["expect: unknown\n", "expect: invalid\nbecause: lost\n"])
def test_an_interrupted_run_never_ends_with_0(tmp_path: Path, text: str) -> None:
    """Ctrl-C is 2 even where what was recorded happens to be what the scenario expects."""
    run = queue_run(5, lost=[5] if "lost" in text else [])
    out = built(run, described(tmp_path, text), "Ctrl-C")
    assert out["as_expected"] is True
    assert results.exit_status(out) == 2


@pytest.mark.parametrize(
    ("statuses", "merged"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 2, 0], 2),
        ([2, 1, 0], 1),
        ([1, 254, 2], 254),
        ([0, 255, 1, 254], 255),
    ],
)
def test_statuses_merge(statuses: list[int], merged: int) -> None:
    """Of several runs the worst counts, and 1 is never masked by 2."""
    assert results.merge_exit_statuses(statuses) == merged


def test_a_fault_row_joins_injection_and_heal(tmp_path: Path) -> None:
    """Each injection is a row: target, nodes, outcome, evidence, and the time of its heal."""
    run = history(nemesis(7, "inject", 100), nemesis(7, "heal", 900), nemesis(8, "inject", 1000))
    scenario = described(tmp_path)
    rows = results.faults_of(run, results.judge_run(run, scenario, []), scenario)
    wanted = {
        "fault": "kill",
        "name": "kill",
        "target": "leader",
        "nodes": [3],
        "outcome": "installed",
        "inject_ns": 100,
        "heal_ns": 900,
        "heal_outcome": "installed",
        "evidence": {"seen": "inject"},
    }
    assert rows[0].items() >= wanted.items()
    assert (rows[1]["inject_ns"], rows[1]["heal_ns"]) == (1000, None)


def test_a_fault_that_never_bit_is_not_valid(tmp_path: Path) -> None:
    """A run whose planned fault was only skipped is unknown; the same run without it is valid."""
    run = [
        op("put", 1, 0, 5),
        op("reserve", 1, 10, 15, process=1, consumer="c"),
        op("done", 1, 20, 25, process=1, consumer="c"),
        drained(100, 110),
    ]
    whole = history(ended_run(*run))
    assert built(whole, described(tmp_path))["verdict"] == "valid"
    toothless = ended_run(*run, nemesis(0, "inject", 50, "skipped"))
    out = built(history(toothless), described(tmp_path))
    assert out["verdict"] == "unknown"
    assert results.exit_status(out) == 2


@pytest.mark.parametrize(
    ("workload", "valid"),
    [("check-all: {sync: true}", False), ("check-all: {}", True), ("work: {}", True)],
)
def test_windows_hold_what_came_before_the_call_where_all_reserves_sync(
    workload: str, tmp_path: Path, *, valid: bool
) -> None:
    """An urgent item that came later counts where each reserve sees all before it."""
    path = tmp_path / "x.yaml"
    work = f"workload: [{{put-all: {{}}}}, {{{workload}}}]\n"
    path.write_text(f"description: d\nclaim: window\norder: relaxed\n{work}")
    wanted = loading.load(path)
    run = history(
        op("put", 1, 0, 5, zxid=1, priority=5),
        op("put", 2, 10, 15, zxid=2, priority=1),
        op("reserve", 1, 20, 25, process=1, consumer="c1", zxid=3, window=1),
    )
    (window,) = [r for r in results.judge_run(run, wanted, []).results if r.name == "window"]
    assert (window.verdict is Verdict.VALID) == valid
