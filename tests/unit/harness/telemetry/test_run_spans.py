"""Spans of events that are not as they should be, and the dashboard that shows them."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from harness.history.record import Event, HistoryWriter
from harness.telemetry import measures
from harness.telemetry.run_spans import RunSpan, Spans
from harness.telemetry.tail import Tail

DOCS = Path(__file__).parents[4] / "docs"


def spans_of(*events: Event, results: dict[str, object] | None = None) -> list[RunSpan]:
    """Return the spans of a run with these events."""
    made = Spans("seed/x/1", "seed/x")
    seen: Iterable[RunSpan] = [span for event in events for span in made.add(event)]
    return [*seen, *made.end(results or {})]


def call(time_ns: int, kind: str, f: str, **fields: object) -> Event:
    """Return one end of a call of process 3."""
    return Event(time_ns=time_ns, process=3, type=kind, f=f, **fields)  # type: ignore[arg-type]


def test_what_is_open_at_the_end_is_sent_too() -> None:
    """A call without an answer and a run without a verdict are errors."""
    put, run = spans_of(call(5, "invoke", "put", value=1))
    assert (put.name, put.error) == ("put", "no completion recorded")
    assert (run.name, run.error) == ("run seed/x", "verdict: none")


def test_an_answer_without_a_call_is_left_out() -> None:
    """As after a restart of the reader, or in a damaged history."""
    assert [span.name for span in spans_of(call(5, "ok", "put", value=1))] == ["run seed/x"]


def test_a_batch_stands_with_its_first_item() -> None:
    """And says which items it was about."""
    put, batch, *_ = spans_of(
        call(1, "invoke", "put", value=7),
        call(2, "ok", "put", value=7),
        call(3, "invoke", "reserve", n=2),
        call(4, "ok", "reserve", value=[7, 8], delivery=[1, 1]),
    )
    assert (batch.place.trace, batch.parent) == (put.place.trace, put.place)
    assert batch.attributes["harness.value"] == "7,8"


def test_the_same_run_gives_the_same_spans() -> None:
    """Their numbers come from its name, and no two are the same."""
    events = [call(n, kind, "put", value=n) for n in (1, 2) for kind in ("invoke", "ok")]
    once, again = spans_of(*events), spans_of(*events)
    assert once == again
    assert len({span.place for span in once}) == len(once)


def test_a_line_that_is_still_written_is_read_later(tmp_path: Path) -> None:
    """Damaged lines are left out, and no line comes twice."""
    path, tail = tmp_path / "00.jsonl", Tail(tmp_path)
    with HistoryWriter(path) as writer:
        writer.append(call(1, "invoke", "put", value=1))
    whole = path.read_bytes()
    path.write_bytes(whole + b"nonsense\n" + whole[:20])
    assert [event.time_ns for event in tail.read()] == [1]
    with path.open("ab") as file:
        file.write(whole[20:])
    assert [event.time_ns for event in tail.read()] == [1]
    assert tail.read() == []


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    """Each metric in its queries is one that a run sends, and in the page's table."""
    source = Path(measures.__file__).read_text()
    sent = {name.replace(".", "_") for name in re.findall(r'"(harness\.[a-z_.]+)"', source)}
    board = (DOCS / "grafana-run.json").read_text()
    assert json.loads(board)["title"]
    used = {
        re.sub(r"_(total|seconds_bucket)$", "", name)
        for name in re.findall(r"\b(harness_[a-z_]+)\b", board)
    }
    page = (DOCS / "observing-runs.md").read_text()
    assert used == sent
    assert [name for name in sent if name not in page] == []
