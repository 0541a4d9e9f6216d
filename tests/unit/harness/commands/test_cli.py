"""The command line: every command's bad input ends with 254 and a line that helps, no traceback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import results
from harness.commands import harness_command
from harness.common.harness_errors import HarnessError, RunError, ScenarioError, UnmetError
from harness.report import page

SCENARIO = "description: x\nworkload:\n  - put-all: {count: 5}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return a sound scenario."""
    path = tmp_path / "sound.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def run(tmp_path: Path, scenario: Path) -> Path:
    """Return the folder of a run that was valid, without a history."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(scenario.read_text())
    valid = {"scenario": "sound", "seed": 1, "verdict": "valid", "because": None, "checks": []}
    valid |= {"expect": "valid", "as_expected": True, "not_run": [], "faults": []}
    valid |= {"counts": dict.fromkeys(page.COUNTS, 0)}
    valid |= {"availability": {"fraction": None, "longest_gap_s": None}}
    (folder / "results.json").write_text(json.dumps(valid))
    return folder


@pytest.fixture
def places(tmp_path: Path, scenario: Path, run: Path) -> dict[str, Path]:
    """Return what words of a command line may stand for."""
    return {"scenario": scenario, "run": run, "tmp": tmp_path}


def harness(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line in this process, and return its exit status."""
    monkeypatch.setattr("sys.argv", ["harness", *words])
    with pytest.raises(SystemExit) as ended:
        harness_command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


COMMANDS = (
    *(
        "run",
        "check",
        "report",
        "replay",
        "shrink",
        "fuzz",
        "export",
        "up",
        "status",
        "inject",
        "heal",
    ),
    *("new", "plan", "endurance", "explain", "doctor", "logs", "down"),
    *("list", "schema", "serve", "top", "clean"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`harness COMMAND --help` says what it does, and gives an example."""
    assert harness(monkeypatch, command, "--help") == 0
    assert f"Example: harness {command}" in capsys.readouterr().out


def test_no_command_is_without_a_test() -> None:
    """The commands above are all there are."""
    assert {name for group in harness_command.COMMANDS.values() for name in group} == set(COMMANDS)


BAD = [
    ("nonsense", ["No such command 'nonsense'", "harness --help"]),
    ("run", ["Missing argument 'FILE...'", "harness run --help"]),
    ("run --sed 3 {scenario}", ["No such option: --sed", "--seed"]),
    ("run --seed many {scenario}", ["'--seed'", "integer"]),
    ("run none.yaml", ["none.yaml: expected a readable YAML file, got no such file"]),
    ("run none", ["none: expected a scenario's file, or its name", "harness list"]),
    ("new my.txt", ["my.txt: expected a name that ends with .yaml"]),
    ("run {tmp}", ["expected a readable YAML file, got a directory"]),
    ("run {scenario} --shard 3/2", ["--shard: expected I/N with I in 1..N", "'3/2'"]),
    ("run {scenario} --shard half", ["--shard: expected I/N", "'half'"]),
    ("run {scenario} --piece 0/2", ["--piece: expected I/N with I in 1..N", "'0/2'"]),
    ("run {scenario} --piece 1/2", ["--piece: expected at most as many pieces as phases, 1"]),
    ("run {scenario} {scenario} --piece 1/2", ["--piece: expected one scenario, without --shard"]),
    ("run {scenario} --times 2 --piece 1/1", ["--piece: expected one scenario, without --shard"]),
    ("run {scenario} --otlp localhost:4318", ["--otlp: expected a collector's base URL"]),
    ("endurance none", ["none: expected the folder of a run"]),
    ("endurance {run}", ["expected the outages of its puts in results.json", "harness check"]),
    ("new {tmp}/y.yaml --rates none", ["none: expected a readable table of field rates"]),
    ("new {tmp}/y.yaml --rates {scenario}", ["expected a table of field rates"]),
    ("new {tmp}/y.yaml --years 0", ["'--years'"]),
    ("run {scenario} --runs {scenario}", ["--runs: expected a folder"]),
    ("run {scenario} --junit {tmp}/none/j.xml", ["--junit: expected a file in a folder"]),
    ("run {scenario} --junit {tmp}", ["--junit: expected a file in a folder"]),
    (
        "run {scenario} --workers 0",
        ["--workers: expected a number from 1 to 256, or auto, got '0'"],
    ),
    ("run {scenario} --workers many", ["--workers: expected a number", "'many'"]),
    (
        "run {scenario} --workers 2 --scheduler tcp://x",
        ["--workers: expected it without --scheduler"],
    ),
    (
        "run {scenario} --scheduler x:1",
        ["--scheduler: expected an address such as tcp://", "'x:1'"],
    ),
    ("run {scenario} --campaign mine", ["--campaign: expected --workers or --scheduler beside it"]),
    ("run {scenario} --workers 2 --campaign ../x", ["--campaign: expected letters", "'../x'"]),
    ("run {scenario} --workers 2 --keep", ["--keep: expected it without --workers"]),
    ("run {scenario} --workers 2 --piece 1/2", ["--piece: expected it without --workers"]),
    ("run {scenario} --workers 2 --otlp http://x", ["--otlp: expected it without --workers"]),
    ("plan none.yaml", ["none.yaml: expected a readable YAML file, got no such file"]),
    ("check none", ["none: expected the folder of a run", "runs/latest"]),
    ("check", ["Missing argument"]),
    ("report none", ["none: expected the folder of a run"]),
    ("replay none", ["none: expected the folder of a run"]),
    ("replay {run} --times 0", ["'--times'"]),
    ("replay {run} --workers -1", ["--workers: expected a number from 1 to 256", "'-1'"]),
    ("shrink none", ["none: expected the folder of a run"]),
    ("shrink {run}", ["expected a run that failed, got valid"]),
    ("shrink {run} --rate 2", ["'--rate'"]),
    ("fuzz --producer none", ["--producer: expected one of ack-before-write, put-all"]),
    ("fuzz --producer check-all", ["--producer"]),
    (
        "fuzz --subject none",
        ["--subject: ", "aio, celery, kazoo-locking-queue, kazoo-queue, zkmq, module:Class"],
    ),
    ("fuzz --runs {scenario}", ["--runs: expected a folder"]),
    ("export none --format jepsen", ["none: expected the folder of a run"]),
    ("export {run} --format yaml", ["'yaml' is not one of 'jepsen', 'porcupine'"]),
    ("up --zookeeper 9.9.9", ["zookeeper: expected '3.9.6', '3.9.3' or '3.8.0', got '9.9.9'"]),
    ("up --port 99999", ["port: expected a value less than or equal to 65000, got 99999"]),
    ("up --port any", ["'--port'", "integer"]),
    ("up --nodes 10", ["'--nodes'"]),
    ("up --heap-mb 1", ["'--heap-mb'"]),
    ("explain put-al", ["expected a key or a name (", "put-all", "got 'put-al'"]),
    ("inject", ["Missing argument"]),
    ("inject kill --for 0", ["'--for'"]),
    ("inject loss --set percnt=20", ["loss: expected one of target, percent, got 'percnt'"]),
    ("inject loss --set percent=all", ["loss.percent: expected a valid number, got 'all'"]),
    ("inject kill --set wipe", ["--set: expected KEY=VALUE, got 'wipe'"]),
    ("inject partition", ["partition.groups: expected this setting, got none"]),
    ("inject kil", ["fault: expected one of those that `harness explain faults`", "mean 'kill'?"]),
    ("logs --node x", ["'--node'"]),
    ("list --folder none", ["--folder: expected a folder of scenarios, got 'none'"]),
    ("serve --runs none", ["--runs: expected a folder of runs, got 'none'"]),
    ("serve --port 70000", ["'--port'"]),
    ("schema extra", ["unexpected extra argument"]),
    ("status extra", ["unexpected extra argument"]),
    ("doctor extra", ["unexpected extra argument"]),
    ("down extra", ["unexpected extra argument"]),
    ("heal extra", ["unexpected extra argument"]),
    ("top extra", ["unexpected extra argument"]),
    ("clean --everything", ["No such option: --everything"]),
]


@pytest.mark.parametrize(("words", "told"), [pytest.param(*case, id=case[0]) for case in BAD])
def test_bad_input_is_254_and_says_what_was_expected(
    words: str,
    told: list[str],
    places: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The status is 254, the message names what was wrong, and there is no traceback."""
    monkeypatch.chdir(places["tmp"])
    assert harness(monkeypatch, *words.format_map(places).split()) == 254
    output = capsys.readouterr()
    assert "Traceback" not in output.err
    for part in told:
        assert part in output.err


def test_no_command_for_a_bad_input_is_forgotten() -> None:
    """Each command has bad input of its own above."""
    assert set(COMMANDS) <= {words.split()[0] for words, _ in BAD}


def test_without_a_word_there_is_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`harness` alone lists its commands, the one that most people look for first."""
    assert harness(monkeypatch) == 254
    told = capsys.readouterr()
    listed = (told.out + told.err).partition("Commands")[2]
    assert min(COMMANDS, key=lambda command: listed.find(f" {command} ")) == "run"


def test_a_port_in_use_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`serve` on a port that somebody else has ends with 254, and names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status = harness(monkeypatch, "serve", "--runs", str(tmp_path), "--port", port)
    assert status == 254
    assert f"--port: expected a free port on 127.0.0.1, got {port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ScenarioError("x"), 254),
        (RunError("x"), 255),
        (HarnessError("x"), 255),
        (UnmetError("x"), 0),
        (KeyboardInterrupt(), 2),
        (ZeroDivisionError("x"), 255),
    ],
)
def test_how_it_ends(error: BaseException, status: int) -> None:
    """Each error has its status; a defect of the harness is never 1, which means a verdict."""

    def command(**_: object) -> None:
        raise error

    assert harness_command._status(command) == status


@pytest.mark.medium
def test_a_reader_that_has_gone_is_no_verdict() -> None:
    """`harness ... | head` breaks off: that is 255, and not the 1 of an unexpected verdict."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "harness", "list"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    said = b"harness: standard output was closed before all was said\n"
    assert (ended.returncode, ended.stderr) == (255, said)


@pytest.mark.parametrize(
    ("statuses", "merged"),
    [([0, 2, 1], 1), ([2, 0], 2), ([0, 0], 0), ([1, 254], 254), ([254, 255, 2], 255), ([], 0)],
)
def test_the_gravest_status_wins(statuses: list[int], merged: int) -> None:
    """1 is never masked by 2, and what could not be run is told before everything else."""
    assert results.merge_exit_statuses(statuses) == merged
