"""What the servers logged, on the run's time axis."""

from pathlib import Path
from typing import Any

import pytest

from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.report import log_lines
from worlds.histories.by_hand import history, note, op

S = 1_000_000_000
START = note("wall-clock", S, utc="20261129T120001.000Z")  # so the run began at 12:00:00


def stamped(at: str, text: str = "[myid:1] - INFO  [main:X@1] - Something") -> str:
    """Return a line of a server's log."""
    return f"2026-11-29 {at} {text}\n"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a run's folder with room for logs."""
    folder = RunFolder(tmp_path)
    folder.logs.mkdir()
    return folder


def run_of(*parts: Any) -> History:
    """Return a run of ten seconds."""
    return history(START, op("put", 1, 0, 10 * S), *parts)


def told(folder: RunFolder, *parts: Any, important_s: tuple[float, ...] = ()) -> dict[str, Any]:
    """Return what is told of the logs in a folder."""
    return log_lines.tell(run_of(*parts), folder, important_s)


def test_lines_find_their_time(folder: RunFolder) -> None:
    """A line's time is seconds since the run began, and lines of all servers are in one order."""
    (folder.logs / "node-1.log").write_text(stamped("12:00:03,250") + stamped("12:00:01,000"))
    (folder.logs / "node-2.log").write_text(stamped("12:00:02,000"))
    lines = told(folder)["lines"]
    assert [(at_s, node) for at_s, node, _ in lines] == [(1.0, 1), (2.0, 2), (3.25, 1)]


def test_what_was_before_the_run_or_long_after_is_left_out(folder: RunFolder) -> None:
    """A server starts before the run, and the log ends after it."""
    text = stamped("11:59:58,000") + stamped("12:00:05,000") + stamped("12:00:30,000")
    (folder.logs / "node-1.log").write_text(text)
    assert [at_s for at_s, *_ in told(folder)["lines"]] == [5.0]


def test_an_exception_stands_with_its_message(folder: RunFolder) -> None:
    """Its class is told behind the message, its frames are not."""
    text = (
        stamped("12:00:03,000", "WARN - Cannot open")
        + "java.io.IOException: no\n\tat A.b(A.java:1)\n"
    )
    (folder.logs / "node-1.log").write_text(text)
    assert told(folder)["lines"] == [[3.0, 1, "WARN - Cannot open | java.io.IOException: no"]]


def test_the_harness_own_looks_are_left_out(folder: RunFolder) -> None:
    """The monitor asks each server four times a second, which tells nobody anything."""
    text = stamped("12:00:03,000", "INFO - Processing srvr command from /10.0.0.1:1")
    (folder.logs / "node-1.log").write_text(text)
    assert told(folder)["lines"] == []


def test_a_run_without_its_date(folder: RunFolder) -> None:
    """A run of an older release says why it has no lines."""
    (folder.logs / "node-1.log").write_text(stamped("12:00:03,000"))
    found = log_lines.tell(history(op("put", 1, 0, S)), folder, ())
    assert (found["lines"], found["why"]) == ([], "this run did not record its date")


def test_a_moved_clock_is_told(folder: RunFolder) -> None:
    """A server whose clock a fault moved stamped its lines with another time."""
    injected = note(
        "clock", S, process="nemesis", id=0, name="clock", phase="inject", target="leader",
        nodes=[4], outcome="installed", evidence={},
    )  # fmt: skip
    assert told(folder, injected)["moved"] == [4]


def test_of_many_lines_the_nearest_are_kept(folder: RunFolder, monkeypatch: Any) -> None:
    """Where not all have room, those around important moments are kept, and the rest counted."""
    monkeypatch.setattr(log_lines, "MOST_LINES", 3)
    text = "".join(stamped(f"12:00:0{n},000") for n in range(10))
    (folder.logs / "node-1.log").write_text(text)
    found = told(folder, important_s=(6.1,))
    assert [at_s for at_s, *_ in found["lines"]] == [5.0, 6.0, 7.0]
    assert found["left_out"] == 7


@pytest.mark.parametrize("bad", [b"\xff\xfe\x00", b"2026-99-99 12:00:00,000 x\n", b""])
def test_a_damaged_log_is_no_error(folder: RunFolder, bad: bytes) -> None:
    """What cannot be read is passed over; the other servers' lines stay."""
    (folder.logs / "node-1.log").write_bytes(bad)
    (folder.logs / "node-2.log").write_text(stamped("12:00:02,000"))
    assert [node for _, node, _ in told(folder)["lines"]] == [2]


@pytest.mark.parametrize("utc", ["yesterday", "2026-11-29T12:00:00", ""])
def test_a_damaged_date_is_no_date(utc: str) -> None:
    """A note whose date cannot be read, or has no zone, places nothing."""
    assert log_lines.began_at(history(note("wall-clock", 0, utc=utc))) is None
