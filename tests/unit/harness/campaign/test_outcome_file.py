"""The file of a campaign: whole lines, one writer, and what a stopped campaign goes on from."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.campaign import outcome_file
from harness.campaign.outcome_file import Ended, OutcomeFile, StoreError, read
from harness.common.harness_errors import ScenarioError

Open = Callable[..., AbstractContextManager[OutcomeFile]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file of campaign `c` is."""
    return tmp_path / "campaigns" / "c" / "campaign.jsonl"


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Give a function that opens campaign `c`, of two tasks."""

    def open_it(*, work: str = "a b", command: str = "run") -> AbstractContextManager[OutcomeFile]:
        return outcome_file.opened(tmp_path, "c", command=command, work=[work], tasks=2)

    return open_it


def ended(task: str, **more: object) -> Ended:
    """Return the end of a task."""
    told = {"name": "x", "verdict": "valid", "at": "20260101T000000.000Z"} | more
    return Ended(task=task, **told)  # type: ignore[arg-type]


def test_what_ended_is_there_when_it_goes_on(opened: Open) -> None:
    """A campaign that is opened again knows what was decided, and what was not."""
    with opened() as file:
        file.began("a", "worker 0", 1)
        file.ended(ended("a"))
        file.began("b", "worker 1", 1)
        file.ended(ended("b", verdict="unknown", decided=False))
    with opened() as file:
        known = file.decided("a")
        assert known is not None
        assert known.verdict == "valid"
        assert file.decided("b") is None
        assert file.decided("c") is None


def test_a_reader_sees_each_line_as_soon_as_it_is_written(opened: Open, path: Path) -> None:
    """The file can be followed: what runs, then what became of it."""
    with opened() as file:
        file.began("a", "worker 0", 1)
        assert list(read(path).running) == ["a"]
        file.ended(ended("a", cause="lost"))
        seen = read(path)
    assert seen.running == {}
    assert seen.ended["a"].cause == "lost"
    assert seen.opened is not None
    assert seen.opened.tasks == 2


def test_every_line_is_on_disk_before_the_next(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fsync follows each line."""
    synced: list[int] = []
    monkeypatch.setattr(outcome_file.os, "fsync", synced.append)
    with opened() as file:
        file.began("a", "worker 0", 1)
        file.ended(ended("a"))
    assert len(synced) == 3


def test_what_a_kill_cut_off_is_no_line(opened: Open, path: Path) -> None:
    """Half a line at the end is not read, and the campaign that goes on overwrites it."""
    with opened() as file:
        file.ended(ended("a"))
    with path.open("ab") as whole:
        whole.write(b'{"event":"ended","task":"b","na')
    assert list(read(path).ended) == ["a"]
    with opened() as file:
        file.ended(ended("b"))
    seen = read(path)
    assert list(seen.ended) == ["a", "b"]
    assert seen.malformed == 0


def test_a_line_that_is_none_of_ours_is_counted(opened: Open, path: Path) -> None:
    """A damaged line hides no other, and a reader can tell that it is there."""
    with opened() as file:
        file.ended(ended("a"))
    with path.open("ab") as whole:
        whole.write(b"[1]\n\xff\n")
    with opened() as file:
        file.ended(ended("b"))
    seen = read(path)
    assert (list(seen.ended), seen.malformed) == (["a", "b"], 2)


def test_one_process_at_a_time(opened: Open) -> None:
    """A second one is refused while the first works; afterwards it may go on."""
    with opened(), pytest.raises(ScenarioError, match="'c', which another process has open"):
        opened().__enter__()
    with opened():
        pass


@pytest.mark.parametrize("other", [{"work": "a c"}, {"command": "replay"}])
def test_it_goes_on_with_nothing_else(opened: Open, other: dict[str, str]) -> None:
    """A name that other work has used is refused before anything is written."""
    with opened() as file:
        file.ended(ended("a"))
    with pytest.raises(ScenarioError, match="--campaign: expected a new name, or the work of 'c'"):
        opened(**other).__enter__()
    with opened() as file:
        assert file.decided("a") is not None


@pytest.mark.parametrize("fits", [0, 20])
def test_a_full_disk_leaves_whole_lines(
    opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    """What does not fit is an error that says so; no part of the line stays."""
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= fits or not fits or not data.startswith(b"{"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:fits])

    with opened() as file:
        file.ended(ended("a"))
        with monkeypatch.context() as patched:
            patched.setattr(outcome_file.os, "write", full)
            with pytest.raises(StoreError, match=r"got: No space left on device; .* goes on"):
                file.ended(ended("b"))
        assert path.read_bytes().endswith(b"}\n")
        assert file.decided("b") is None
        file.ended(ended("b"))
    assert list(read(path).ended) == ["a", "b"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the place of the folder is an error of ours, not a traceback."""
    (tmp_path / "campaigns").write_text("")
    with pytest.raises(StoreError, match="expected to keep an outcome here"):
        outcome_file.opened(tmp_path, "c", command="run", work=[]).__enter__()
