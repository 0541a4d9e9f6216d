"""The rows of all runs."""

import fcntl
from pathlib import Path
from typing import Any

import pytest

from harness.report import judged as results_of
from harness.report.site.shelf import Shelf
from worlds.histories.judged_runs import judged, lives

NAME = "seed/a/20260102T030405.678Z-7"


def run_in(runs: Path, name: str = NAME, lost: tuple[int, ...] = ()) -> Path:
    """Make a judged run."""
    (runs / name).mkdir(parents=True)
    return judged(runs / name, lives(lost=lost), came_to_its_end=True).path


def test_a_row_has_what_pages_show(tmp_path: Path) -> None:
    """Scenario, date, verdict, reasons, cause and release of a run."""
    folder = run_in(tmp_path, lost=(2,))
    (folder / "versions.json").write_text('{"zookeeper": {"1": "3.9.6-x, built", "2": "3.8.4-y"}}')
    (row,) = Shelf(tmp_path).rows()
    assert (row.scenario, row.verdict, row.as_expected) == ("seed/a", "invalid", False)
    assert row.began is not None
    assert row.began.isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert "lost" in row.reasons
    assert row.cause == "total-queue: lost"
    assert row.releases == ("3.8.4", "3.9.6")


def test_what_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: Any) -> None:
    """Of hundreds of runs only the new one, and the one that was judged anew, are read."""
    read: list[Path] = []
    load = results_of.load
    monkeypatch.setattr(results_of, "load", lambda run: read.append(run.path) or load(run))
    first, second = run_in(tmp_path), run_in(tmp_path, NAME + "1")
    shelf = Shelf(tmp_path)
    shelf.rows()
    assert set(read) == {first, second}
    shelf.rows()
    assert len(read) == 2
    text = (first / "results.json").read_text()
    (first / "results.json").write_text(text + " ")
    third = run_in(tmp_path, NAME + "2")
    assert len(shelf.rows()) == 3
    assert read[2:] == sorted([first, third])


def test_a_run_that_is_gone_has_no_row(tmp_path: Path) -> None:
    """A folder that somebody removed is forgotten."""
    folder = run_in(tmp_path)
    shelf = Shelf(tmp_path)
    shelf.rows()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert shelf.rows() == []


def test_a_run_in_progress(tmp_path: Path) -> None:
    """While its harness holds the mark a run is running; once that is dead, it was not judged."""
    folder = run_in(tmp_path)
    (folder / "results.json").unlink()
    shelf = Shelf(tmp_path)
    with (folder / "running").open("wb") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        assert [row.verdict for row in shelf.rows()] == ["running"]
    assert [row.verdict for row in shelf.rows()] == ["not judged"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00"])
def test_damaged_results(tmp_path: Path, text: str) -> None:
    """A run whose results cannot be read is there, as damaged."""
    (run_in(tmp_path) / "results.json").write_text(text)
    assert [row.verdict for row in Shelf(tmp_path).rows()] == ["damaged"]


def test_a_folder_of_another_name_has_no_date(tmp_path: Path) -> None:
    """A run that somebody renamed is there, without a date."""
    run_in(tmp_path, "mine/the-bad-one")
    assert [row.began for row in Shelf(tmp_path).rows()] == [None]
