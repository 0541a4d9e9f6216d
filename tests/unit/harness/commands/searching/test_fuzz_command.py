"""`harness fuzz` with an oracle in the place of a quorum: what it keeps, says, and ends with."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands.running.launch import Ran
from harness.commands.searching import benches, fuzz_command, trials
from harness.common.harness_errors import RunError
from harness.common.run_folder import RunFolder
from harness.scenario import loading
from harness.scenario.schema import Scenario
from harness.search.fuzzing import Fuzzing, open_lines

Oracle = Callable[[Scenario], bool]


class _Quorum:
    """Serves at once, and has no nfqueue."""

    def wait_ready(self, *, within_s: float) -> float:
        """Be ready."""
        return 0.0

    def supports(self, what: str) -> bool:
        """Lack everything."""
        return False


class _Kept:
    """Lends a quorum that nobody runs on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    @contextmanager
    def lend(self, _: Any) -> Iterator[_Quorum]:
        """Lend it."""
        yield _Quorum()

    def close(self) -> None:
        """Have nothing to remove."""


class World:
    """Judges by an oracle, and ends the time of the search after so many runs of the campaign."""

    def __init__(self, oracle: Oracle, monkeypatch: pytest.MonkeyPatch, *, runs: int) -> None:
        self.oracle, self.left = oracle, runs
        self.now_s = 0.0
        monkeypatch.setattr(fuzz_command, "Kept", _Kept)
        monkeypatch.setattr(benches, "launch", self.launch)
        monkeypatch.setattr(benches, "publish", lambda *_: None)
        monkeypatch.setattr(trials, "launch", self.judge)
        clock = SimpleNamespace(monotonic=lambda: self.now_s)
        for module in (fuzz_command, benches, trials):
            monkeypatch.setattr(module, "time", clock)  # no other thread's

    def launch(self, *words: Any, **more: Any) -> Ran:
        """Run one of the campaign's scenarios."""
        self.left -= 1
        self.now_s = 0.0 if self.left > 0 else 1e9
        return self.judge(*words, **more)

    def judge(self, loaded: Scenario, name: str, folder: RunFolder, *_: Any, **__: Any) -> Ran:
        """Lose an item if the oracle says so."""
        wrong = self.oracle(loaded)
        kinds = [entry.kind for phase in loaded.phases for entry in phase.faults]
        lost = {
            "name": "total-queue",
            "verdict": "invalid",
            "reasons": ["lost"],
            "witnesses": [{"operations": [{"invoke_ns": 1}]}],
        }
        results = {
            "scenario": name,
            "because": None,
            "verdict": "invalid" if wrong else "valid",
            "checks": [lost] if wrong else [],
            "faults": [{"fault": k, "outcome": "installed", "heal_ns": None} for k in kinds],
        }
        return Ran(folder=folder, results=results, took_s=1.0)


def pauses(loaded: Scenario) -> bool:
    """The planted bug: a frozen server loses an item."""
    return any(entry.kind == "pause" for phase in loaded.phases for entry in phase.faults)


def test_what_fails_is_kept_with_its_smallest_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cause is a file that loads; runs that were valid leave only their line."""
    World(pauses, monkeypatch, runs=15)
    assert fuzz_command.fuzz_(minutes=1, seed=4, keep_in=tmp_path) == 1
    folder = tmp_path / "fuzz" / "4"
    notes = [json.loads(line) for line in (folder / "fuzz.jsonl").read_text().splitlines()]
    assert [note["number"] for note in notes] == list(range(15))
    found = loading.load(folder / "finding-1.yaml")
    assert [entry.kind for phase in found.phases for entry in phase.faults] == ["pause"]
    failed = {f"fuzz-{note['number']}" for note in notes if note["verdict"] == "invalid"}
    assert {path.name for path in folder.glob("fuzz-*")} == failed
    assert {path.stem for path in folder.glob("[0-9]*.yaml")} == {n.split("-")[1] for n in failed}
    told = capsys.readouterr().out
    assert "this machine has no nfqueue: without latency" in told
    assert f"cause 1, {len(failed)} times: lost (total-queue) during pause" in told


def test_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was judged is not judged again."""
    World(lambda _: False, monkeypatch, runs=3)
    assert fuzz_command.fuzz_(minutes=1, seed=4, keep_in=tmp_path) == 0
    World(lambda _: False, monkeypatch, runs=2)
    assert fuzz_command.fuzz_(minutes=1, seed=4, keep_in=tmp_path) == 0
    assert "3 were judged before: 3 valid; going on with number 3" in capsys.readouterr().out
    lines = (tmp_path / "fuzz" / "4" / "fuzz.jsonl").read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(5))


def test_another_producer_is_another_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenarios of a broken producer are not counted among those of the sound one."""
    World(lambda _: False, monkeypatch, runs=1)
    fuzz_command.fuzz_(minutes=1, seed=4, keep_in=tmp_path, producer="ack-before-write")
    assert [path.name for path in (tmp_path / "fuzz").iterdir()] == ["4-ack-before-write"]


def test_nothing_judged_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a minute nothing is shown, and the status says so."""
    World(lambda _: False, monkeypatch, runs=1)
    assert fuzz_command.fuzz_(minutes=0, seed=4, keep_in=tmp_path) == 2


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ({"valid": 8, "unknown": 2}, 0),
        ({"valid": 7, "unknown": 3}, 2),
        ({"valid": 9, "broken": 1}, 255),
        ({"valid": 8, "broken": 1, "invalid": 1}, 1),
        ({"skipped": 5}, 2),
        ({"valid": 4, "skipped": 6}, 0),
        ({}, 2),
    ],
)
def test_the_status_tells_what_a_campaign_shows(
    verdicts: dict[str, int], status: int, tmp_path: Path
) -> None:
    """A finding is 1, a run that broke off 255; and runs that show nothing are no success."""
    campaign = Fuzzing(
        lines=open_lines(tmp_path), draw=lambda _: {}, place=None, reduce=None, say=print,  # type: ignore[arg-type]
        verdicts=Counter(verdicts),
    )  # fmt: skip
    assert fuzz_command._status(campaign) == status


def test_a_run_that_breaks_off_has_a_report_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was recorded is judged and shown, and the campaign goes on."""
    World(lambda _: False, monkeypatch, runs=2)
    played = benches.launch
    errors = [RunError("node 3: expected it serving")]

    def launch(*words: Any, **more: Any) -> Ran:
        ran = played(*words, **more)
        if errors:
            raise errors.pop()
        return ran

    told: list[str] = []

    def check(scenario: Any, name: str, folder: RunFolder, *, interrupted: str) -> dict[str, Any]:
        told.append(interrupted)
        return {"verdict": "unknown", "scenario": name, "checks": []}

    published: list[Ran] = []
    monkeypatch.setattr(benches, "launch", launch)
    monkeypatch.setattr(benches.runs, "check", check)
    monkeypatch.setattr(benches, "publish", lambda ran, _: published.append(ran))
    assert fuzz_command.fuzz_(minutes=1, seed=4, keep_in=tmp_path) == 255
    assert told == ["an error of the harness: node 3: expected it serving"]
    (ran,) = published
    assert ran.folder.path.is_dir()
    out = capsys.readouterr().out
    assert "no verdict: node 3: expected it serving" in out
    assert "report: " in out
    assert "1 valid, 1 broken; 50% showed something" in out
