"""The file of a campaign: whole lines, one writer, and what a stopped campaign goes on from."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.campaign import code_identity, line_file, outcome_file
from harness.campaign.line_file import StoreError
from harness.campaign.outcome_file import Ended, OutcomeFile, read
from harness.common.harness_errors import ScenarioError

Open = Callable[..., AbstractContextManager[OutcomeFile]]
Code = Callable[[str], None]


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


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Code:
    """Give a function that lets other code run here; it is `1111` first."""

    def be(digest: str) -> None:
        monkeypatch.setattr(code_identity, "digest", lambda: digest)

    be("1111")
    return be


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
    monkeypatch.setattr(line_file.os, "fsync", synced.append)
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


def test_a_carriage_return_ends_no_line(opened: Open, path: Path) -> None:
    """A foreign line with one in it counts as one, and nothing is cut off for it."""
    with opened() as file:
        file.ended(ended("a"))
    with path.open("ab") as whole:
        whole.write(b"foreign\rline\n")
    before = path.read_bytes()
    with opened() as file:
        file.ended(ended("b"))
    assert path.read_bytes().startswith(before)
    seen = read(path)
    assert (list(seen.ended), seen.malformed) == (["a", "b"], 1)


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


def test_it_goes_on_with_no_other_code(opened: Open, path: Path, code: Code) -> None:
    """What one code decided is not mixed with what another does; nothing is written."""
    with opened() as file:
        file.ended(ended("a"))
        file.ended(ended("b", decided=False))
    kept = path.read_bytes()
    code("2222")
    with pytest.raises(
        ScenarioError,
        match=r"expected a new name, or the code that decided tasks of 'c' \(1111\), got other "
        r"code \(2222\): files of zkmq, harness or cluster have changed",
    ):
        opened().__enter__()
    assert path.read_bytes() == kept
    code("1111")
    with opened() as file:
        assert file.decided("a") is not None


def test_other_code_goes_on_where_nothing_is_decided(opened: Open, code: Code) -> None:
    """What began, or is to be tried again, was decided by no code; then the newer one decides."""
    with opened() as file:
        file.began("a", "worker 0", 1)
        file.ended(ended("b", decided=False))
    code("2222")
    with opened() as file:
        file.ended(ended("a"))
    with opened() as file:
        assert file.decided("a") is not None
    code("1111")
    with pytest.raises(ScenarioError, match=r"tasks of 'c' \(2222\), got other code \(1111\)"):
        opened().__enter__()


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("zkmq/a.py", True),
        ("harness/b.py", True),
        ("cluster/c.py", True),
        ("cluster/late_links/d.c", True),
        ("cluster/software/sandbox.sh", True),
        ("harness/report/report.css", False),
        ("cluster/__pycache__/c.cpython-311.pyc", False),
        ("docs/e.py", False),
    ],
)
def test_what_counts_as_other_code(tmp_path: Path, changed: str, *, differs: bool) -> None:
    """Modules, and what images are made of; not how a report looks, nor what Python compiled."""
    file = tmp_path / changed
    file.parent.mkdir(parents=True)
    file.write_text("1")
    before = code_identity.digest_of(tmp_path)
    file.write_text("2")
    assert (code_identity.digest_of(tmp_path) != before) is differs


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
            patched.setattr(line_file.os, "write", full)
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
