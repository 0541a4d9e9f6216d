"""Reading a history while it is written: lines that are too long, cut, or none of ours."""

from pathlib import Path

import msgspec
import pytest

from harness.telemetry import tail
from harness.telemetry.tail import Tail

CHUNK = 200
SHORT = b'{"time_ns":1,"process":0,"type":"invoke","f":"put","value":%d}\n'


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of a folder that is read in small chunks."""
    monkeypatch.setattr(tail, "MAX_READ", CHUNK)
    return tmp_path / "x.jsonl"


def long_line(size: int) -> bytes:
    """Return a line of that many bytes, with its end, that is an event."""
    told = {"time_ns": 1, "process": 0, "type": "info", "f": "put", "error": ""}
    told["error"] = "x" * (size - 1 - len(msgspec.json.encode(told)))
    return msgspec.json.encode(told) + b"\n"


def values(read: Tail) -> list[object]:
    """Return the values of the events that are new."""
    return [event.value for event in read.read()]


@pytest.mark.parametrize("size", [CHUNK + 1, CHUNK * 2, CHUNK * 5 + 7])
def test_a_line_that_is_too_long_is_left_out_and_counted(part: Path, size: int) -> None:
    """It ends nothing: what stands behind it is read, and so is what comes later."""
    read = Tail(part.parent)
    part.write_bytes(SHORT % 1 + long_line(size) + SHORT % 2 + long_line(size) + SHORT % 3)
    seen = [values(read) for _ in range(4)]
    assert seen == [[1], [2], [3], []]
    assert read.too_long == 2
    with part.open("ab") as file:
        file.write(SHORT % 4)
    assert values(read) == [4]


def test_a_line_that_is_too_long_may_be_written_in_parts(part: Path) -> None:
    """It is one line, however often it is looked at before it ends."""
    read, line = Tail(part.parent), long_line(CHUNK * 3)
    part.write_bytes(line[: CHUNK + 5])
    assert values(read) == []
    with part.open("ab") as file:
        file.write(line[CHUNK + 5 : -1])
    assert values(read) == []
    with part.open("ab") as file:
        file.write(b"\n" + SHORT % 1)
    assert (values(read), read.too_long) == ([1], 1)


def test_a_line_as_long_as_one_read_is_none_too_long(part: Path) -> None:
    """It is read whole, also if its end comes later."""
    read, line = Tail(part.parent), long_line(CHUNK)
    part.write_bytes(line[:-1])
    assert values(read) == []
    with part.open("ab") as file:
        file.write(b"\n")
    assert (len(read.read()), read.too_long) == (1, 0)


def test_lines_that_are_no_events_do_not_hide_what_follows(part: Path) -> None:
    """An empty answer means that nothing is left, however much of it cannot be read."""
    part.write_bytes(b"no event\n" * CHUNK + SHORT % 1)
    assert values(Tail(part.parent)) == [1]
