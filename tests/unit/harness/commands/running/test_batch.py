"""Several scenarios: shares for CI jobs side by side, and what a failure does to the others."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Never
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from cluster.cluster_errors import EngineGoneError
from harness.commands import harness_command
from harness.commands.running.batch import Batch, shard
from harness.commands.running.launch import Ran
from harness.common.harness_errors import ScenarioError, UnmetError
from harness.common.run_folder import RunFolder
from harness.report.terminal import Terminal
from harness.scenario import loading
from harness.scenario.schema import Scenario
from worlds.histories.judged_runs import judged, lives


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

    monkeypatch.setattr("harness.commands.running.batch.launch", fails)
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

    monkeypatch.setattr("harness.commands.running.batch.launch", fails)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    runner = Batch(Terminal(), tmp_path / "runs")
    runner.run_all([(file, loading.load(file))] * 2, by_hand=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if re.fullmatch(r"\d of \d", line)] == ["1 of 2", "2 of 2"]
    assert lines[-2:] == ["0 of 2 scenarios as expected, 1 skipped", "x: failed: got no engine"]


def test_a_batch_says_once_where_its_servers_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of its quorums is of the same image, which is told with the first."""

    def up(config: object, *, by_hand: bool, say: Callable[[str], None]) -> Never:
        say("ZooKeeper 3.9.6: here already")
        raise EngineGoneError("got no engine")

    monkeypatch.setattr("cluster.lending.starting.up", up)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    Batch(Terminal(), tmp_path / "runs").run_all([(file, loading.load(file))] * 3, by_hand=False)
    told = capsys.readouterr()
    assert told.out.count("here already") == 1
    assert told.err.count("got no engine") == 3


def test_one_scenario_needs_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single run has its own summary."""

    def fails(*_: object, **__: object) -> Never:
        raise UnmetError("requires netem")

    monkeypatch.setattr("harness.commands.running.batch.launch", fails)
    file = tmp_path / "x.yaml"
    file.write_text("description: d\nworkload: [{put-all: {}}]\n")
    Batch(Terminal(), tmp_path / "runs").run_all([(file, loading.load(file))], by_hand=False)
    assert " of " not in capsys.readouterr().out


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give a list of the verdicts that the next runs get, without a quorum."""
    verdicts: list[str] = []

    def ended(wanted: Scenario, name: str, folder: RunFolder, *_: object, **__: object) -> Ran:
        verdict = verdicts.pop(0)
        place = tmp_path_factory.mktemp(verdict)
        lost = (2,) if verdict == "invalid" else ()
        run = judged(place, lives(lost=lost), came_to_its_end=verdict != "unknown")
        results = json.loads(run.results.read_text())
        assert results["verdict"] == verdict
        return Ran(folder=folder, results=results | {"scenario": name}, took_s=1.0)

    monkeypatch.setattr("harness.commands.running.batch.launch", ended)
    monkeypatch.setattr("harness.commands.running.batch.publish", lambda *_: None)
    monkeypatch.setattr("harness.commands.running.run_command.hurting.tidy", lambda _: None)
    return verdicts


Harness = Callable[..., tuple[int, str]]


@pytest.fixture
def harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Harness:
    """Give a function that runs a scenario from the command line: its status, its output."""
    (tmp_path / "mine.yaml").write_text("description: d\nworkload: [{put-all: {count: 1}}]\n")
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["harness", "run", "--junit", "junit.xml", *words])
        with pytest.raises(SystemExit) as ended:
            harness_command.main()
        return int(str(ended.value.code)), capsys.readouterr().out

    return run


def test_a_rate_comes_of_many_runs(ends: list[str], harness: Harness, tmp_path: Path) -> None:
    """`--times` tells how often it ended as expected, with bounds; one bad run is a bad status."""
    ends += ["valid", "invalid", "valid", "valid"]
    status, told = harness("mine.yaml", "--times", "4")
    assert status == 1, told
    assert "mine: as expected in 3 of 4 (30 to 95 %) runs" in told
    suites = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 -- our own file
    assert [suite.get("name") for suite in suites] == [f"mine ({n} of 4)" for n in range(1, 5)]


def test_one_run_has_no_rate(ends: list[str], harness: Harness, tmp_path: Path) -> None:
    """A scenario that was run once keeps its name, and no rate is told."""
    ends += ["valid"]
    status, told = harness("mine.yaml")
    assert (status, "as expected in" in told) == (0, False)
    (suite,) = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 -- our own file
    assert suite.get("name") == "mine"


def test_the_summary_has_the_rate(
    ends: list[str], harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What CI shows of the job tells the rate too."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    ends += ["valid", "unknown"]
    harness("mine.yaml", "--times", "2")
    text = (tmp_path / "summary.md").read_text()
    assert "- mine: as expected in 1 of 2 (9 to 91 %) runs" in text
    assert "Again: `harness run mine.yaml --seed 7`" in text


@pytest.mark.parametrize("asked", ["option", "environment"])
def test_what_is_not_as_expected_is_annotated(
    ends: list[str], harness: Harness, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """With --github, or inside of a GitHub job, a surprise is an annotation of the file."""
    if asked == "environment":
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ends += ["valid", "invalid"]
    status, told = harness(
        "mine.yaml", "--times", "2", *(["--github"] if asked == "option" else [])
    )
    assert status == 1, told
    lines = [line for line in told.splitlines() if line.startswith("::")]
    place = "file=mine.yaml,line=1,title=mine%3A invalid%2C expected valid"
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [f"error {place}"]


def test_nothing_is_annotated_unless_asked(ends: list[str], harness: Harness) -> None:
    """On a terminal no line is for a program."""
    ends += ["invalid"]
    assert "::error" not in harness("mine.yaml")[1]


def test_a_scenario_that_cannot_be_loaded_is_annotated_at_its_line(harness: Harness) -> None:
    """The line of the mistake is the line of the annotation."""
    Path("bad.yaml").write_text("description: d\nsede: 3\n")
    status, told = harness("mine.yaml", "bad.yaml", "--github")
    assert status == 254
    (line,) = (line for line in told.splitlines() if line.startswith("::"))
    assert line.startswith("::error file=bad.yaml,line=2,title=bad%3A cannot be loaded::")


def test_a_share_may_be_empty(harness: Harness) -> None:
    """A job of a matrix with more shards than scenarios says that it had nothing to run."""
    status, told = harness("mine.yaml", "--shard", "2/2")
    assert (status, "no scenario is in share 2/2" in told) == (0, True)
