"""Where runs are kept: what was loaded, in a folder of its own."""

from pathlib import Path

import pytest

from harness.commands.running.launch import prepare
from harness.common import run_clock, run_folder
from harness.common.harness_errors import ScenarioError
from harness.scenario import loading

TEXT = "description: é\nworkload: [{put-all: {count: 1}}]\n"


def test_a_run_keeps_the_text_that_was_loaded(tmp_path: Path) -> None:
    """A file that was changed after it was loaded changes no run."""
    file = tmp_path / "x.yaml"
    file.write_text(TEXT)
    loaded = loading.load(file)
    file.write_text("something: else\n")
    folder = prepare(file, loaded, tmp_path / "runs")
    assert folder.scenario.read_text() == TEXT
    assert loading.load(folder.scenario).text == TEXT


def test_two_runs_of_one_millisecond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run of a millisecond takes the next one, and both are kept."""
    stamps = iter(["t1", "t1", "t1", "t2"])
    monkeypatch.setattr(run_clock, "utc_stamp", lambda: next(stamps))
    first, second = (run_folder.create(tmp_path, "x", 7, TEXT) for _ in range(2))
    assert (first.path.name, second.path.name) == ("t1-7", "t2-7")
    assert (tmp_path / run_folder.LATEST).resolve() == second.path.resolve()


def test_a_clock_that_stands_still_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is never shared: where no name is free, no run is made."""
    monkeypatch.setattr(run_clock, "utc_stamp", lambda: "t1")
    monkeypatch.setattr(run_folder, "SAME_MOMENT", 3)
    run_folder.create(tmp_path, "x", 7, TEXT)
    with pytest.raises(FileExistsError):
        run_folder.create(tmp_path, "x", 7, TEXT)


@pytest.mark.parametrize(
    "name", ["latest.yaml", "scenarios/latest.yaml", "scenarios/latest/x.yaml"]
)
def test_a_scenario_called_latest(tmp_path: Path, name: str) -> None:
    """A scenario of the link's name has its runs beside the link, not in its place."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(TEXT)
    for _ in range(2):
        folder = prepare(file, loading.load(file), tmp_path / "runs")
    link = tmp_path / "runs" / run_folder.LATEST
    assert link.is_symlink()
    assert link.resolve() == folder.path.resolve()
    assert folder.path.parent.relative_to(tmp_path / "runs").parts[0] == "scenarios"


def test_a_link_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    """A link that was never put in its place hinders nobody."""
    first = run_folder.create(tmp_path, "x", 1, TEXT)
    (tmp_path / run_folder.LATEST).rename(
        tmp_path / f".{run_folder.LATEST}-{run_folder.os.getpid()}"
    )
    second = run_folder.create(tmp_path, "x", 2, TEXT)
    assert first.path != second.path
    assert (tmp_path / run_folder.LATEST).resolve() == second.path.resolve()


@pytest.mark.parametrize(
    "mark", [b"", b"[1]", b'{"seed": "x"}', b"[" * 9999, b'{"seed":1,"pid":[]}']
)
def test_a_damaged_mark_says_nothing(tmp_path: Path, mark: bytes) -> None:
    """A mark that cannot be read leaves name and seed to the folder and the scenario."""
    run = run_folder.create(tmp_path, "x", 7, TEXT)
    run.running.write_bytes(mark)
    assert run.begun() == {}


def test_no_run_is_seen_in_progress_without_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`harness check` and `serve` take a mark without a lock for that of a run that was killed."""
    folder = run_folder.create(tmp_path, "x", 7, TEXT)
    lock, seen = run_folder.fcntl.flock, list[bool]()

    def look_before(file: int, how: int) -> None:
        seen.append(folder.running.exists())
        lock(file, how)

    with monkeypatch.context() as patched:
        patched.setattr(run_folder.fcntl, "flock", look_before)
        with folder.in_progress("seed/x", 7):
            patched.undo()
            with pytest.raises(ScenarioError, match="got one in progress"):
                folder.require_ended()
            assert folder.begun()["scenario"] == "seed/x"
    assert seen == [False]
    folder.require_ended()
