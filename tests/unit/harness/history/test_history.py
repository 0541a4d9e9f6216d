"""Reading a history: pairing, batches, damage, and the round trip through files."""

import json
from collections.abc import Iterable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.common.harness_errors import HistoryError
from harness.history.columns import INFO, NEVER_NS, OK, TAKE, History, derived
from harness.history.record import Event, HistoryWriter, merge
from worlds.histories.by_hand import events, history, note, op


def operations(h: History) -> list[tuple[Any, ...]]:
    """Return (process, f, value, outcome, invoke_ns, complete_ns) of each row."""
    rows = (h.operation(row) for row in range(len(h)))
    return [(o.process, o.f, o.value, o.outcome, o.invoke_ns, o.complete_ns) for o in rows]


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_pairs_by_process() -> None:
    """Calls of two processes that overlap are told apart."""
    h = history(op("put", 1, 0, 10), op("reserve", 1, 5, 20, process="x", consumer="c"))
    assert operations(h) == [(0, "put", 1, "ok", 0, 10), ("x", "reserve", 1, "ok", 5, 20)]


def test_an_open_invocation_is_unknown_for_ever() -> None:
    """A call without a completion has outcome info and no end, as one answered with info has."""
    h = history(op("put", 1, 0, None), op("put", 2, 3, 9, process=1, outcome="info"))
    assert operations(h) == [(0, "put", 1, "info", 0, None), (1, "put", 2, "info", 3, None)]
    assert list(h.complete_ns) == [NEVER_NS, NEVER_NS]
    assert h.unmatched == 0


def test_a_second_invocation_leaves_the_first_open() -> None:
    """A process with two calls outstanding is damage: the first is unknown, and it is counted."""
    h = History.from_events(
        [
            {"time_ns": 0, "process": 0, "type": "invoke", "f": "put", "value": 1},
            {"time_ns": 5, "process": 0, "type": "invoke", "f": "put", "value": 2},
            {"time_ns": 9, "process": 0, "type": "ok", "f": "put", "value": 2},
        ]
    )
    assert operations(h) == [(0, "put", 1, "info", 0, None), (0, "put", 2, "ok", 5, 9)]
    assert h.unmatched == 1


def test_a_completion_alone_began_at_the_start() -> None:
    """A completion whose invocation is missing may have begun at any time since the start."""
    h = History.from_events([{"time_ns": 7, "process": 0, "type": "ok", "f": "put", "value": 1}])
    assert operations(h) == [(0, "put", 1, "ok", 0, 7)]
    assert h.unmatched == 1


def test_batches_are_rows_of_one_call() -> None:
    """A batch is one row an item, of one interval, each with its own priority and delivery."""
    h = history(
        op("put", [1, 2], 0, 5, priority=[7, 8], zxid=3),
        op("reserve", [2, 1], 6, 9, process=1, delivery=[4, 5], zxid=4),
        op("reserve", [], 10, 12, process=1),
        op("reserve", None, 13, 15, process=1),
    )
    assert [o[1:3] for o in operations(h)] == [
        ("put", 1),
        ("put", 2),
        ("reserve", 2),
        ("reserve", 1),
        ("reserve", None),
        ("reserve", None),
    ]
    assert list(h.call) == [0, 0, 1, 1, 2, 3]
    assert list(h.part) == [0, 1, 0, 1, 0, 0]
    assert list(h.priority[:2]) == [7, 8]
    assert list(h.delivery[2:4]) == [4, 5]
    assert list(h.zxid[:4]) == [3, 3, 4, 4]


def test_a_put_without_a_priority_has_the_default() -> None:
    """Priorities default to 100, as in the queue; only puts have one."""
    h = history(op("put", 1, 0, 1), op("done", 1, 2, 3))
    assert list(h.priority) == [100, -1]


def test_notes_keep_their_place() -> None:
    """Notes are no operations, and keep the index they have in the file."""
    h = history(op("put", 1, 0, 1), note("drain", 5, phase="begin"))
    assert [(n.f, n.index, n.value) for n in h.notes] == [("drain", 2, {"phase": "begin"})]
    assert len(h) == 1


def test_registrations() -> None:
    """A process's session, consumer and producer are those of its events."""
    h = history(
        op("put", 1, 0, 1, session="s1", producer="p1"),
        op("reserve", 1, 2, 3, session="s1", consumer="c1"),
    )
    assert h.registrations == {0: {"session": ["s1"], "producer": ["p1"], "consumer": ["c1"]}}


def test_loads_what_was_recorded(tmp_path: Path) -> None:
    """A merged file reads like the events themselves."""
    lines = events(op("put", [1, "b"], 0, 5, zxid=3), op("reserve", "b", 2, 9, process=1))
    write(tmp_path / "h.jsonl", lines)
    loaded = History.load(tmp_path / "h.jsonl")
    assert operations(loaded) == operations(History.from_events(lines))
    assert loaded.malformed_lines == 0


def test_counts_malformed_lines_and_forgives_a_truncated_last_one(tmp_path: Path) -> None:
    """A broken line inside is counted; a last line without its end was never acted upon."""
    write(tmp_path / "h.jsonl", events(op("put", 1, 0, 5)))
    good = (tmp_path / "h.jsonl").read_text()
    (tmp_path / "h.jsonl").write_text(good + "{not json}\n" + '[1]\n{"time_ns": 3, "proc')
    loaded = History.load(tmp_path / "h.jsonl")
    assert len(loaded) == 1
    assert (loaded.malformed_lines, loaded.malformed_at) == (2, [3, 4])
    assert loaded.truncated_lines == 1


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A history that cannot be read is an error that names the file."""
    with pytest.raises(HistoryError, match=r"none\.jsonl: expected a readable history"):
        History.load(tmp_path / "none.jsonl")


def test_writer_flushes_each_line(tmp_path: Path) -> None:
    """An event is on disk before append returns; nulls are written, absent fields are not."""
    with HistoryWriter(tmp_path / "history" / "w1.jsonl") as writer:
        writer.append(Event(time_ns=3, process=0, type="invoke", f="reserve", consumer="c1"))
        text = (tmp_path / "history" / "w1.jsonl").read_text()
    assert json.loads(text) == {
        "time_ns": 3,
        "process": 0,
        "type": "invoke",
        "f": "reserve",
        "value": None,
        "consumer": "c1",
    }


def test_merge_orders_by_time_then_worker_then_line(tmp_path: Path) -> None:
    """Workers' files become one, with indices, whatever else the lines hold."""
    invoke = {"process": 0, "type": "invoke", "f": "put", "value": 1}
    ok = invoke | {"type": "ok", "extra": {"kept": True}}
    write(tmp_path / "history/a.jsonl", [invoke | {"time_ns": 1}, ok | {"time_ns": 5}])
    other = [e | {"process": 1} for e in (invoke, ok)]
    write(tmp_path / "history/b.jsonl", [other[0] | {"time_ns": 1}, other[1] | {"time_ns": 1}])
    merge(tmp_path / "history", tmp_path / "history.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [(e["index"], e["time_ns"], e["process"], e["type"]) for e in lines] == [
        (0, 1, 0, "invoke"),
        (1, 1, 1, "invoke"),
        (2, 1, 1, "ok"),
        (3, 5, 0, "ok"),
    ]
    assert lines[3]["extra"] == {"kept": True}


def test_merge_closes_open_invocations(tmp_path: Path) -> None:
    """What a killed worker left open is closed as info, in order, at the last time seen."""
    a = events(op("put", 1, 0, 5), op("put", 2, 7, None))
    b = events(op("reserve", None, 3, None, process=1), note("kill", 9, process="nemesis"))
    write(tmp_path / "history/a.jsonl", a)
    write(tmp_path / "history/b.jsonl", b)
    merge(tmp_path / "history", tmp_path / "history.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [(e["process"], e["type"], e["f"], e["value"], e["time_ns"]) for e in lines[-2:]] == [
        (1, "info", "reserve", None, 9),
        (0, "info", "put", 2, 9),
    ]
    assert [e["index"] for e in lines] == list(range(len(lines)))


def test_merge_keeps_the_end_mark_last(tmp_path: Path) -> None:
    """What the merge adds for calls and lines without an end stands before the mark."""
    write(tmp_path / "history/1.jsonl", op("put", 1, 3, None))
    with (tmp_path / "history/1.jsonl").open("a") as file:
        file.write('{"time_ns": 5, "pro')
    write(tmp_path / "history/harness.jsonl", note("run-ended", 9))
    merge(tmp_path / "history", tmp_path / "history.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [line["f"] for line in lines] == ["put", "put", "truncated-line", "run-ended"]
    assert [line["index"] for line in lines] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("gone", "gap_at"), [(slice(0, 1), 1), (slice(2, 3), 3), (slice(1, 4), 2), (slice(5, 6), None)]
)
def test_lines_that_are_gone_leave_a_gap(gone: slice, gap_at: int | None, tmp_path: Path) -> None:
    """The first line whose index is not its place is named; an end that is cut off is no gap."""
    lines = list(enumerate(events(op("put", 1, 0, 1), op("put", 2, 2, 3), op("put", 3, 4, 5))))
    del lines[gone]
    write(tmp_path / "history.jsonl", ({"index": index} | line for index, line in lines))
    h = History.load(tmp_path / "history.jsonl")
    assert (h.gap_at, h.events) == (gap_at, len(lines))


def test_a_file_without_indices_has_no_gap(tmp_path: Path) -> None:
    """A history written by hand need not number its lines."""
    write(tmp_path / "history.jsonl", op("put", 1, 0, 1))
    assert History.load(tmp_path / "history.jsonl").gap_at is None


def test_merge_drops_a_truncated_end_and_keeps_other_damage(tmp_path: Path) -> None:
    """A killed writer's last line is dropped; a malformed line inside stays to be counted."""
    write(tmp_path / "history/a.jsonl", events(op("put", 1, 0, 5)))
    with (tmp_path / "history/a.jsonl").open("a") as file:
        file.write('garbage\n{"time_ns": 8, "process": 0, "ty')
    merge(tmp_path / "history", tmp_path / "history.jsonl")
    loaded = History.load(tmp_path / "history.jsonl")
    assert len(loaded) == 1
    assert loaded.malformed_at == [4]  # behind the two whole lines and the note of the cut
    assert loaded.truncated_lines == 1
    assert [n.value for n in loaded.notes] == [{"file": "a.jsonl", "bytes": 32}]


def test_derived_is_computed_once_a_history() -> None:
    """What is derived from a history is remembered with it, and not for another."""
    seen = []
    size = derived(lambda h: seen.append(h) or len(h))
    first, second = history(op("put", 1, 0, 1)), history()
    assert [size(first), size(first), size(second)] == [1, 1, 0]
    assert seen == [first, second]


def test_a_copy_remembers_nothing() -> None:
    """A copy with other columns derives its own answers, and leaves those of the original."""
    count = derived(lambda history: int((history.outcome == OK).sum()))
    whole = history(op("put", 1, 0, 5), op("put", 2, 10, 15))
    assert (count(whole), whole.got(OK).sum()) == (2, 0)
    part = copy(whole)
    part.outcome, part.f = np.array([OK, INFO]), np.array([TAKE, TAKE])
    assert (count(part), part.got(OK).sum()) == (1, 1)
    assert (count(whole), whole.got(OK).sum()) == (2, 0)
