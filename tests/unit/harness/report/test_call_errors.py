"""What calls raised."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from harness.history.columns import History
from harness.report import call_errors
from worlds.histories.by_hand import events, op


def errors(path: Path, *parts: Any, tail: bytes = b"") -> dict[str, str]:
    """Write a history, and return what its calls raised."""
    lines = [{"index": n} | event for n, event in enumerate(events(*parts))]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + tail)
    history = History.load(path)
    return call_errors.read(path, history, np.arange(len(history)))


def failed(value: int, at_ns: int, error: str, **more: Any) -> list[dict[str, Any]]:
    """Return a put that failed of something."""
    invoke, answer = op("put", value, at_ns, at_ns + 5, outcome="fail", **more)
    return [invoke, answer | {"error": error}]


def test_each_call_has_its_own_error(tmp_path: Path) -> None:
    """An error belongs to the call of its process before it, by the index of its invocation."""
    found = errors(
        tmp_path / "h", failed(1, 0, "first"), op("put", 2, 10, 15), failed(3, 20, "second"),
        failed(4, 1, "other", process=1),
    )  # fmt: skip
    assert sorted(found.values()) == ["first", "other", "second"]
    assert found["0"] == "first"


def test_a_call_without_an_error_gets_no_other_ones(tmp_path: Path) -> None:
    """One that was closed without an error does not take that of the next call."""
    bare = op("put", 1, 0, 5, outcome="fail")
    assert list(errors(tmp_path / "h", bare, failed(2, 10, "mine")).values()) == ["mine"]


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    """A line that is no event tells nothing, and hides nothing."""
    tail = b'{"error":"x\n'
    assert errors(tmp_path / "h", failed(1, 0, "first"), tail=tail) == {"0": "first"}


def test_a_long_error_is_cut(tmp_path: Path) -> None:
    """A page has no room for a stack trace of a megabyte."""
    (found,) = errors(tmp_path / "h", failed(1, 0, "x" * 10_000)).values()
    assert len(found) == call_errors.MOST_CHARACTERS
