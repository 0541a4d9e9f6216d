"""Turns at a quorum: one process at a time, whichever ends first."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cluster_errors import ClusterError
from cluster.engine import turns
from cluster.engine.turns import path_of, turn

HOLD = "from cluster.engine.turns import turn\nwith turn('r'): print('held', flush=True); input()"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep turns in a folder of the test's own, and look only once."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(turns, "WITHIN_S", 0.0)
    monkeypatch.setattr(turns, "POLL_S", 0.0)
    return tmp_path


def test_only_one_has_the_turn_at_a_run() -> None:
    """Who waits too long gets to know how to find the other; other runs have their own turns."""
    late = pytest.raises(ClusterError, match=r"fuser .*/r\.turn")
    with turn("r"), turn("another"), late, turn("r"):
        pass
    with turn("r"):
        pass
    assert not path_of("r").exists()


@pytest.mark.medium
def test_a_turn_ends_with_its_process() -> None:
    """A killed `clean` keeps no other from its work."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        with pytest.raises(ClusterError), turn("r"):
            pass
        os.kill(held.pid, signal.SIGKILL)
    with turn("r"):
        pass


def test_a_file_that_was_deleted_meanwhile_is_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who opened the file of a turn that has ended would hold what the next one does not see."""
    lock = turns.fcntl.flock
    deleted = list[Path]()

    def late(file: int, how: int) -> None:
        if not deleted:
            path_of("r").unlink()
            deleted.append(path_of("r"))
        lock(file, how)

    monkeypatch.setattr(turns, "WITHIN_S", 60.0)
    monkeypatch.setattr(turns.fcntl, "flock", late)
    with turn("r"):
        assert deleted
        assert path_of("r").exists()


def test_without_a_place_for_files_there_are_no_turns(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum is removed on a full disk, too."""
    (folder / "zkmq").write_bytes(b"")  # where the folder was to be
    with turn("r"), turn("r"):
        pass
