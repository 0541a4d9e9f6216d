"""Lines of a history that are no events: each is counted as malformed, and nothing else is."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import recorded
from harness.common.harness_errors import HistoryError, ScenarioError
from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.history.record import Event, HistoryWriter, merge
from harness.report import judged
from harness.report.site import run_table
from harness.report.site.shelf import Shelf
from worlds.histories.judged_runs import judged as judged_run
from worlds.histories.judged_runs import killed, lives

CALL = {"time_ns": 1, "process": 0, "type": "ok", "f": "put", "value": 1}
NOTE = {"time_ns": 1, "process": "harness", "type": "info"}
HURT = {"id": 0, "name": "k", "phase": "inject", "target": "any", "nodes": [1], "outcome": "x"}

MALFORMED: dict[str, dict[str, Any]] = {
    "time-before-the-start": CALL | {"time_ns": -1},
    "time-beyond-64-bits": CALL | {"time_ns": 2**62},
    "an-item-that-is-an-object": CALL | {"value": {"a": 1}},
    "an-item-that-is-a-fraction": CALL | {"value": 1.5},
    "a-batch-of-a-batch": CALL | {"value": [[1]]},
    "a-batch-with-other-priorities": CALL | {"value": [1, 2], "priority": [1]},
    "a-batch-with-other-deliveries": CALL | {"value": [1], "delivery": [1, 1]},
    "nobody": CALL | {"process": None},
    "an-unknown-type": CALL | {"type": "maybe"},
    "a-zxid-beyond-64-bits": CALL | {"zxid": 2**63},
    "a-negative-priority": CALL | {"priority": -5},
    "a-note-that-is-an-item": NOTE | {"f": "drain", "value": 1},
    "a-note-that-is-a-call": NOTE | {"f": "drain", "type": "invoke", "value": {"phase": "begin"}},
    "an-unknown-note-of-nothing": NOTE | {"f": "other", "value": [1]},
    "a-tree-of-nobody": NOTE | {"f": "tree", "value": {"reachable": True, "digest": "d"}},
    "a-tree-without-its-digest": NOTE | {"f": "tree", "value": {"node": 1, "reachable": True}},
    "a-recovery-of-nobody": NOTE | {"f": "recovered", "value": {"took_s": 1.0}},
    "sessions-without-an-error": NOTE | {"f": "sessions-ended", "value": {"node": 1, "zxids": {}}},
    "an-end-before-the-start": NOTE | {"f": "session-end", "value": {"alive_until_ns": -1}},
    "returned-values-of-a-word": NOTE | {"f": "returned", "value": {"values": "all"}},
    "a-fault-without-evidence": NOTE | {"f": "kill", "process": "nemesis", "value": HURT},
    "a-phase-of-no-number": NOTE | {"f": "phase", "value": {"event": "end"}},
}


def lines(path: Path, *events: dict[str, Any] | bytes) -> Path:
    """Write a history of these lines."""
    encoded = [e if isinstance(e, bytes) else msgspec.json.encode(e) for e in events]
    path.write_bytes(b"".join(line + b"\n" for line in encoded))
    return path


@pytest.mark.parametrize("case", MALFORMED)
def test_what_no_reader_could_use_is_malformed(tmp_path: Path, case: str) -> None:
    """A line whose values nobody can use is counted where it stands, between good ones."""
    loaded = History.load(lines(tmp_path / "h.jsonl", CALL, MALFORMED[case], CALL | {"value": 2}))
    assert loaded.malformed_at == [2]
    assert len(loaded) == 2


def test_nesting_is_no_stack(tmp_path: Path) -> None:
    """A line nested beyond all reason is malformed, in a history and in a worker's part."""
    deep = b'{"time_ns":1,"process":0,"type":"invoke","f":"put","value":' + b"[" * 100_000 + b"}"
    assert History.load(lines(tmp_path / "h.jsonl", deep, CALL)).malformed_at == [1]
    (tmp_path / "parts").mkdir()
    lines(tmp_path / "parts" / "w.jsonl", deep, CALL)
    merge(tmp_path / "parts", tmp_path / "merged.jsonl")
    assert History.load(tmp_path / "merged.jsonl").malformed_lines == 1


def test_a_fifo_is_no_history(tmp_path: Path) -> None:
    """A FIFO in the place of a history is named and not waited for."""
    os.mkfifo(tmp_path / "h.jsonl")
    with pytest.raises(HistoryError, match="expected a readable history, got a FIFO"):
        History.load(tmp_path / "h.jsonl")


class _FullDisk:
    """A file on a disk that takes a few bytes at a time, and then none for a while."""

    def __init__(self, room: list[int]) -> None:
        self.room, self.data = room, b""

    def write(self, data: bytes) -> int:
        taken = self.room.pop(0)
        if taken == 0:
            raise OSError(28, "No space left on device")
        self.data += data[:taken]
        return min(taken, len(data))


def test_a_short_write_goes_on(tmp_path: Path) -> None:
    """A line that the disk takes in pieces is whole; one it did not take damages no other."""
    writer = HistoryWriter(tmp_path / "w.jsonl")
    disk = _FullDisk([5, 7, 1000, 9, 0, 1000])
    writer.close()
    writer._file = disk  # type: ignore[assignment]
    event = Event(time_ns=1, process=0, type="invoke", f="put", value=1)
    writer.append(event)
    with pytest.raises(OSError, match="No space left"):
        writer.append(event)
    writer.append(event)
    first, cut, last, rest = disk.data.split(b"\n")
    assert first == last == msgspec.json.encode(event)
    assert cut == first[:9]
    assert rest == b""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a judged run."""
    (tmp_path / "runs" / "a").mkdir(parents=True)
    return judged_run(tmp_path / "runs" / "a", lives(), killed(0, 1, 5, 9))


RESULTS = {
    "empty": b"",
    "cut": b'{"scenario": "x"',
    "no-object": b"[1]",
    "not-utf-8": b'{"\xff": 1}',
    "nested": b"[" * 100_000,
    "without-checks": b'{"scenario": "x", "seed": 1}',
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_are_none_are_refused(run: RunFolder, case: str) -> None:
    """A results.json that nobody wrote is one clear error, and `serve` shows the run as damaged."""
    run.results.write_bytes(RESULTS[case])
    with pytest.raises(ScenarioError, match=r"results\.json: expected what `harness check` wrote"):
        judged.load(run)
    [row] = Shelf(run.path.parent).rows()
    assert row.verdict == "damaged"
    assert "damaged" in run_table.table([row], run_table.TableView())


def test_an_invalid_verdict_of_no_check_is_refused(run: RunFolder) -> None:
    """An invalid verdict that no check explains was written by hand."""
    results = judged.load(run)
    assert results["verdict"] == "invalid"
    run.write_json(run.results, results | {"checks": []})
    with pytest.raises(ScenarioError, match="the verdict 'invalid' without a check that says so"):
        judged.load(run)


@pytest.mark.parametrize("name", ["plan.jsonl", "history.jsonl"])
def test_a_damaged_run_is_not_replayed(run: RunFolder, name: str) -> None:
    """A plan or a note that cannot be read is one clear error."""
    note = (
        b'{"time_ns":1,"process":"nemesis","type":"info","f":"kill","value":{"phase":"inject"}}\n'
    )
    (run.path / name).write_bytes(note)
    with pytest.raises(HistoryError, match="expected a recorded run") as caught:
        recorded.load(run)
    assert caught.value.exit_status == 254
