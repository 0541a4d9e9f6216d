"""`harness shrink` and `fuzz` on workers, with oracles in the place of their runs."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

from harness.campaign import line_file, outcome_file
from harness.campaign.line_file import StoreError
from harness.campaign.outcome_file import read
from harness.commands.running import ordered_run
from harness.commands.running.ordered_run import Delivered
from harness.commands.searching import benches, fuzz_command, shrink_command
from harness.common.harness_errors import RunError
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search import fuzz
from harness.search.fuzzing import Fuzzing
from worlds.fake_campaign import OracleRun, have_workers
from worlds.histories.judged_runs import judged, lives

BIG = """\
description: Much goes on.
seed: 7
workload: [{put-all: {count: 40, clients: 2}}, {check-all: {clients: 2}}]
faults:
  - {kill: {target: leader}, first_s: 1}
  - {pause: {target: follower}, first_s: 2, for_s: 1}
  - {kill: {target: follower, wipe: true}, first_s: 3}
checkers: [total-queue]
"""


def pauses(loaded: Scenario) -> bool:
    """The planted bug: a frozen server loses an item."""
    return any(entry.kind == "pause" for phase in loaded.phases for entry in phase.faults)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run that lost an item, in the folder of another."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").mkdir()
    judged(tmp_path / "old", lives(lost=(2,)), came_to_its_end=True)
    (tmp_path / "old" / "scenario.yaml").write_text(BIG)
    return tmp_path / "old"


def shrunk(run: Path, **more: Any) -> int:
    """Shrink it on workers, as campaign `s`."""
    return shrink_command.shrink_(run, times=3, workers="2", campaign="s", **more)


def test_the_core_is_found(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault and one item are left, as with one candidate after the other."""
    oracle = OracleRun(pauses)
    have_workers(monkeypatch, oracle)
    assert shrunk(run) == 0
    found = loading.load(run / "shrunk.yaml")
    assert [entry.kind for phase in found.phases for entry in phase.faults] == ["pause"]
    assert "# Failed in 3 of 3" in (run / "shrunk.yaml").read_text()
    assert read(Path("runs/campaigns/s/campaign.jsonl")).ended
    assert len(read(Path("runs/campaigns/s/campaign.jsonl")).ended) == oracle.runs
    assert not list(Path("runs").rglob("scenario.yaml"))  # nobody wants candidates' folders


def test_a_search_that_was_stopped_repeats_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on, each candidate that was tried is known, and the rest is the same search."""
    counted = OracleRun(pauses)
    have_workers(monkeypatch, counted)
    assert shrunk(run) == 0
    whole, text = counted.runs, (run / "shrunk.yaml").read_text()
    (Path("runs/campaigns/s/campaign.jsonl")).unlink()
    first = OracleRun(pauses)

    def impatient(order: Any) -> Delivered:
        if first.runs == whole // 2:
            raise KeyboardInterrupt
        return first(order)

    monkeypatch.setattr(ordered_run, "carry_out", impatient)
    assert shrunk(run) == 2
    second = OracleRun(pauses)
    monkeypatch.setattr(ordered_run, "carry_out", second)
    assert shrunk(run) == 0
    assert (run / "shrunk.yaml").read_text() == text
    assert first.runs + second.runs == whole


def test_what_does_not_show_again_is_not_shrunk(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that is gone leaves no file, and the status of an unknown outcome."""
    have_workers(monkeypatch, OracleRun(lambda _: False))
    assert shrunk(run) == 2
    assert not (run / "shrunk.yaml").exists()


def test_the_time_ends_the_search(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no minute for the search nothing is tried."""
    counted = OracleRun(pauses)
    have_workers(monkeypatch, counted)
    assert shrunk(run, minutes=0) == 2
    assert counted.runs == 0


def test_a_candidate_whose_workers_die_does_not_count(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A candidate that breaks is none; if the scenario itself breaks, that is the error."""
    oracle = OracleRun(pauses)

    def breaks(order: Any) -> Delivered:
        if not order.scenario.workloads:
            raise AssertionError
        if sum(entry.kind == "kill" for p in order.scenario.phases for entry in p.faults) < 1:
            return Delivered(failure=RunError("phase 1 of 1: expected its end within 16 s"))
        return oracle(order)

    have_workers(monkeypatch, breaks)
    assert shrunk(run) == 0
    kinds = [e.kind for p in loading.load(run / "shrunk.yaml").phases for e in p.faults]
    assert sorted(kinds) == ["kill", "pause"]
    assert "expected its end within 16 s" in capsys.readouterr().out
    dies = Delivered(failure=RunError("no Docker engine answers"))
    monkeypatch.setattr(ordered_run, "carry_out", lambda _: dies)
    Path("runs/campaigns/s/campaign.jsonl").unlink()
    with pytest.raises(RunError, match="no Docker engine answers"):
        shrunk(run)


Fuzz = Callable[..., int]


@pytest.fixture
def fuzzed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fuzz:
    """Give a function that fuzzes so many scenarios on workers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benches, "missing_here", lambda: fuzz.NEEDS_NFQUEUE)

    whole = Fuzzing.run_while

    def run(times: int) -> int:
        left = iter(range(times))

        def run_while(fuzzing: Fuzzing, _: object) -> None:
            whole(fuzzing, lambda: next(left, None) is not None)

        monkeypatch.setattr(Fuzzing, "run_while", run_while)
        return fuzz_command.fuzz_(minutes=60, seed=4, workers="2")

    return run


FOLDER = Path("runs/fuzz/4")


def test_fuzz_on_workers_finds_each_cause_once(
    fuzzed: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is kept with its smallest scenario; of valid runs only a line is left."""
    have_workers(monkeypatch, OracleRun(pauses))
    assert fuzzed(15) == 1
    notes = [json.loads(line) for line in (FOLDER / "fuzz.jsonl").read_text().splitlines()]
    assert [note["number"] for note in notes] == list(range(15))
    assert {note["verdict"] for note in notes} == {"valid", "invalid"}
    assert {note["cause"] for note in notes if note["verdict"] == "invalid"} == {1}
    found = loading.load(FOLDER / "finding-1.yaml")
    assert [entry.kind for phase in found.phases for entry in phase.faults] == ["pause"]
    failed = {f"{note['number']}.yaml" for note in notes if note["verdict"] == "invalid"}
    assert {path.name for path in FOLDER.glob("*.yaml")} == failed | {"finding-1.yaml"}
    ended = read(Path("runs/campaigns/fuzz-4/campaign.jsonl")).ended
    assert len(ended) == 15
    for one in ended.values():
        assert (one.verdict == "invalid") == bool(one.run)
        assert not one.run or (Path("runs") / one.run / "results.json").is_file()


def test_fuzz_goes_on(fuzzed: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command draws the numbers that were not judged, also those in between."""
    counted = OracleRun(lambda _: False)
    have_workers(monkeypatch, counted)
    assert fuzzed(4) == 0
    lines = (FOLDER / "fuzz.jsonl").read_text().splitlines(keepends=True)
    (FOLDER / "fuzz.jsonl").write_text("".join(lines[:1] + lines[2:]))  # 1 was under way
    assert fuzzed(2) == 0
    notes = [json.loads(line) for line in (FOLDER / "fuzz.jsonl").read_text().splitlines()]
    assert [note["number"] for note in notes] == [0, 2, 3, 1, 4]
    assert counted.runs == 6


def test_a_full_disk_ends_fuzz(fuzzed: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no run that broke off: nothing more is tried, and the error says what to do."""
    have_workers(monkeypatch, OracleRun(lambda _: False))

    def full(file: Any, _: object) -> Never:
        raise line_file.cannot_keep(file.folder, OSError(errno.ENOSPC, "No space left"))

    monkeypatch.setattr(outcome_file.OutcomeFile, "ended", full)
    with pytest.raises(StoreError, match=r"No space left.*goes on from there"):
        fuzzed(9)
    assert (FOLDER / "fuzz.jsonl").read_bytes() == b""
