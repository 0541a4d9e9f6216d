"""The mark of a run in progress: it tells a run that is under way from one whose harness died."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from worlds.command_line import harness

pytestmark = pytest.mark.medium

HOLD = """
import sys
from pathlib import Path
from harness.common.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).in_progress("seed/its-name", 77):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a run's folder with a scenario and one part of a history."""
    folder = RunFolder(tmp_path)
    folder.scenario.write_text("description: d\nworkload: [{put-all: {count: 3}}]\n")
    folder.parts.mkdir()
    folder.logs.mkdir()
    (folder.parts / "0.jsonl").write_text(
        '{"time_ns": 1, "process": 0, "type": "invoke", "f": "put", "value": 1}\n'
    )
    return folder


@pytest.fixture
def elsewhere(folder: RunFolder) -> Iterator["subprocess.Popen[bytes]"]:
    """Return another process that is at the run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def state(folder: RunFolder) -> dict[str, bytes]:
    """Return the content of all files of a run."""
    paths = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in paths}


def test_a_run_in_progress_is_refused_and_left_alone(
    folder: RunFolder, elsewhere: "subprocess.Popen[bytes]"
) -> None:
    """`harness check` beside a run ends with 254, names its process and touches nothing."""
    before = state(folder)
    asked = harness("check", str(folder.path))
    assert asked.returncode == 254
    assert f"got one in progress (its harness is process {elsewhere.pid})" in asked.stderr
    assert "Traceback" not in asked.stderr
    assert state(folder) == before


def test_a_run_whose_harness_was_killed_is_judged(
    folder: RunFolder, elsewhere: "subprocess.Popen[bytes]"
) -> None:
    """The kernel ends the lock with its process: the same check says unknown, twice."""
    elsewhere.kill()
    elsewhere.wait()
    assert folder.running.exists()
    for _ in range(2):
        asked = harness("check", str(folder.path))
        assert asked.returncode == 2, asked.stderr
        assert asked.stdout.startswith("seed/its-name: unknown")
        assert "completed: unknown: " in asked.stdout
        assert json.loads(folder.results.read_text())["seed"] == 77
        assert "The history does not end with the harness' own end mark" in asked.stdout


def test_a_run_that_was_judged_is_not_in_progress(folder: RunFolder) -> None:
    """Without the mark nobody is at it."""
    folder.require_ended()


def test_the_mark_is_held_only_while_the_run_is_under_way(folder: RunFolder) -> None:
    """A run that failed leaves its mark, unlocked."""
    with folder.in_progress("x", 1), pytest.raises(ScenarioError, match="one in progress"):
        folder.require_ended()
    folder.require_ended()
    assert folder.running.exists()
