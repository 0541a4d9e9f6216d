"""Several scenarios: shares for CI jobs side by side, and what a failure does to the others."""

import re
from pathlib import Path
from typing import Never
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from cluster.cluster_errors import EngineGoneError
from harness.commands import harness_command
from harness.commands.batch import Batch, shard
from harness.common.harness_errors import ScenarioError, UnmetError
from harness.report.terminal import Terminal
from harness.scenario import loading


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_shares_are_a_partition(count: int) -> None:
    """Every scenario is in exactly one share, and no share is more than one bigger."""
    shares = [shard(range(11), f"{number}/{count}") for number in range(1, count + 1)]
    assert sorted(x for share in shares for x in share) == list(range(11))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_no_share_is_everything() -> None:
    """Without the option all scenarios run, in their order."""
    assert shard(["b", "a"], None) == ["b", "a"]


@pytest.mark.parametrize("which", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", ""])
def test_a_share_that_cannot_be(which: str) -> None:
    """A wrong word names the option and what it wants; no scenario is left out silently."""
    with pytest.raises(ScenarioError, match="--shard: expected I/N"):
        shard([1, 2], which)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (EngineGoneError("Docker engine: got none"), "Docker engine: got none"),
        (RuntimeError("oh"), "a defect of the harness, not of the queue: RuntimeError: oh"),
    ],
)
def test_a_scenario_that_fails_does_not_end_the_batch(
    failure: Exception,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message, 255 for it, those after it are tried, and junit.xml has all of them."""
    outcomes: list[Exception] = [failure, UnmetError("requires netem")]

    def fails(*_: object, **__: object) -> Never:
        raise outcomes.pop(0)

    monkeypatch.setattr("harness.commands.batch.launch", fails)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    runner = Batch(Terminal(), tmp_path / "runs")
    for _ in range(2):
        runner.run(file, loading.load(file))
    runner.write(tmp_path / "junit.xml")
    assert runner.status == 255
    assert capsys.readouterr().err.count(f"harness: x: {told}") == 1
    written = (tmp_path / "junit.xml").read_text()
    assert re.findall(r"<(error|skipped) message", written) == ["error", "skipped"]


def test_a_broken_scenario_stops_all_and_junit_says_so(tmp_path: Path) -> None:
    """Nothing is started beside a scenario that cannot be loaded; junit.xml tells of each."""
    (tmp_path / "good.yaml").write_text("description: d\nworkload: [{put-all: {count: 1}}]\n")
    (tmp_path / "bad.yaml").write_text("seed: [\n")
    files = [str(tmp_path / name) for name in ("good.yaml", "bad.yaml", "none.yaml")]
    junit = tmp_path / "junit.xml"
    options = ["--junit", str(junit), "--runs", str(tmp_path / "runs")]
    ended = CliRunner().invoke(harness_command.app, ["run", *files, *options])
    assert isinstance(ended.exception, ScenarioError)
    assert [line.partition(": ")[0] for line in str(ended.exception).splitlines()] == [
        f"{files[1]}:2",
        files[2],
    ]
    root = ET.parse(junit).getroot()  # noqa: S314 -- our own file
    assert [(suite.get("name"), suite[0][0].tag) for suite in root] == [
        ("good", "skipped"),
        ("bad", "error"),
        ("none", "error"),
    ]
    assert not (tmp_path / "runs").exists()


def test_a_batch_counts_and_ends_with_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each scenario says its place, and the last lines name those that failed and why."""
    outcomes: list[Exception] = [EngineGoneError("got no engine"), UnmetError("requires netem")]

    def fails(*_: object, **__: object) -> Never:
        raise outcomes.pop(0)

    monkeypatch.setattr("harness.commands.batch.launch", fails)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    runner = Batch(Terminal(), tmp_path / "runs")
    runner.run_all([(file, loading.load(file))] * 2, by_hand=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if re.fullmatch(r"\d of \d", line)] == ["1 of 2", "2 of 2"]
    assert lines[-2:] == ["0 of 2 scenarios as expected, 1 skipped", "x: failed: got no engine"]


def test_one_scenario_needs_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single run has its own summary."""

    def fails(*_: object, **__: object) -> Never:
        raise UnmetError("requires netem")

    monkeypatch.setattr("harness.commands.batch.launch", fails)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    Batch(Terminal(), tmp_path / "runs").run_all([(file, loading.load(file))], by_hand=False)
    assert " of " not in capsys.readouterr().out
