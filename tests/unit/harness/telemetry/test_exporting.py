"""A run that is sent to a collector: what arrives, and what a collector that fails costs."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.common import run_folder
from harness.common.harness_errors import ScenarioError
from harness.common.polling import wait_until
from harness.common.run_folder import RunFolder
from harness.history.record import ENDED, PHASE, WALL_CLOCK, Event, HistoryWriter
from harness.telemetry import exporting
from worlds.collector import Got, collector, told

pytestmark = pytest.mark.medium

MS = 1_000_000
SENT_WITHIN_S = 60.0  # beside two busy cores
SOON_S = 0.3  # for a collector that takes nothing, however long it is given


def write(folder: RunFolder, part: str, *events: Event) -> None:
    """Append events to one of the run's histories."""
    with HistoryWriter(folder.parts / f"{part}.jsonl") as writer:
        for event in events:
            writer.append(event)


def note(ms: int, f: str, value: dict[str, object], process: str = "harness") -> Event:
    """Return a note of the harness."""
    return Event(time_ns=ms * MS, process=process, type="info", f=f, value=value)


def call(ms: int, kind: str, f: str, **fields: object) -> Event:
    """Return one end of a call of process 0."""
    return Event(time_ns=ms * MS, process=0, type=kind, f=f, **fields)  # type: ignore[arg-type]


def fault(ms: int, phase: str, outcome: str = "installed") -> Event:
    """Return what the nemesis notes of a kill."""
    value = {
        "id": 0,
        "name": "crash",
        "phase": phase,
        "target": "leader",
        "nodes": [3],
        "outcome": outcome,
        "evidence": {},
    }
    return note(ms, "kill", value, "nemesis")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Give the folder of a run whose servers are up."""
    made = run_folder.create(tmp_path, "seed/x", 7, "description: d\n")
    write(made, "harness", note(0, WALL_CLOCK, {"utc": "20260102T030405.678Z"}))
    write(made, "monitor", note(1, "status", {"1": "leader", "2": "follower", "3": "follower"}))
    return made


def live(folder: RunFolder) -> None:
    """Write a put that ends well, a reserve, one whose outcome is unknown, and a kill."""
    write(
        folder,
        "00-put-all",
        call(10, "invoke", "put", value=1),
        call(30, "ok", "put", value=1, attempts=2),
        call(31, "invoke", "reserve", n=1),
        call(32, "ok", "reserve", value=None),
        call(40, "invoke", "reserve", n=1),
        call(45, "ok", "reserve", value=1, delivery=1),
        call(50, "invoke", "reserve", n=1),
        call(60, "info", "reserve", n=1, error="ConnectionLoss"),
    )
    write(folder, "nemesis", fault(20, "inject"), fault(55, "heal"))


def end(folder: RunFolder) -> None:
    """Write the run's end and its verdict."""
    write(folder, "harness", note(70, PHASE, {"number": 0, "event": "end"}), note(80, ENDED, {}))
    verdict = {"verdict": "valid", "as_expected": True, "counts": {"acknowledged": 1}}
    folder.write_json(folder.results, verdict)


def send(
    folder: RunFolder, url: str | None, said: list[str], timeout_s: float = SENT_WITHIN_S
) -> None:
    """Let a run go its way while it is sent."""
    about = {"scenario": "seed/x", "seed": 7, "environment": {}}
    with exporting.to(url, folder, say=said.append, timeout_s=timeout_s, **about):  # type: ignore[arg-type]
        live(folder)
        end(folder)


def wait_for(got: Got, name: str) -> None:
    """Wait until a span of that name has arrived."""
    deadline_s = time.monotonic() + SENT_WITHIN_S
    while not got.named(name):
        assert time.monotonic() < deadline_s, f"expected a span {name}, got {got.spans}"
        time.sleep(0.05)


def test_calls_and_faults_arrive_as_spans(folder: RunFolder) -> None:
    """Each with the run's date, its place in a trace, what it was about, and how it ended."""
    said: list[str] = []
    with collector() as got:
        send(folder, got.url, said)
    assert said == [f"--otlp: 6 spans sent to {got.url}"]
    (run,), (kill,), (put,) = got.named("run seed/x"), got.named("kill"), got.named("put")
    assert put.start_time_unix_nano == 1_767_323_045_688_000_000
    assert put.end_time_unix_nano - put.start_time_unix_nano == 20 * MS
    assert told(put.attributes)["harness.attempts"] == "2"
    assert kill.parent_span_id == run.span_id
    assert kill.end_time_unix_nano - kill.start_time_unix_nano == 35 * MS
    assert told(kill.attributes)["harness.fault.nodes"] == "3"
    assert told(run.attributes)["harness.verdict"] == "valid"
    assert got.named("phase 1")[0].trace_id == run.trace_id
    taken, unknown = got.named("reserve")
    assert (taken.trace_id, taken.parent_span_id) == (put.trace_id, put.span_id)
    assert put.trace_id != run.trace_id
    assert (unknown.parent_span_id, unknown.status.message) == (run.span_id, "info: ConnectionLoss")
    assert {about["harness.scenario"] for about in got.resources} == {"seed/x"}


def test_calls_faults_and_servers_arrive_as_metrics(folder: RunFolder) -> None:
    """Counted by what they are and how they ended; a look at an empty queue is `empty`."""
    with collector() as got:
        send(folder, got.url, [])
    assert got.last("harness.calls", f="put", outcome="ok").as_int == 1
    assert got.last("harness.calls", f="reserve", outcome="empty").as_int == 1
    assert got.last("harness.calls", f="reserve", outcome="info").as_int == 1
    assert got.last("harness.call.duration", f="put", outcome="ok").sum == pytest.approx(0.02)
    assert got.last("harness.faults", fault="kill", outcome="installed").as_int == 1
    assert got.last("harness.faults.in_force", fault="kill").as_int == 0
    assert got.last("harness.servers", mode="follower").as_int == 2


def test_spans_arrive_while_the_run_goes_on(folder: RunFolder) -> None:
    """The first ones are there before the run is over."""
    said: list[str] = []
    with (
        collector() as got,
        exporting.to(got.url, folder, scenario="seed/x", seed=7, say=said.append, environment={}),
    ):
        live(folder)
        wait_for(got, "put")
        assert not got.named("run seed/x")
        end(folder)


def test_a_collector_that_is_down_is_told_once(folder: RunFolder) -> None:
    """The run ends as it would without, and the last line counts what was not taken."""
    with socket.socket() as taken:  # bound and not listening: nothing else gets the port
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said: list[str] = []
        send(folder, url, said, SOON_S)
    first, last = said
    assert first.startswith(f"--otlp: {url} does not take what it is sent (")
    assert "refused" in first
    assert "the run goes on" in first
    assert last == f"--otlp: 0 spans sent to {url}; 6 were not taken"


def test_a_collector_that_hangs_does_not_hold_up_the_run(folder: RunFolder) -> None:
    """What the run does is over before the collector has answered anything."""
    said: list[str] = []
    with collector(hangs=True) as got:
        send(folder, got.url, said, SOON_S)
        assert not got.released.is_set()
        assert wait_until(lambda: got.asked > 0, within_s=SENT_WITHIN_S, every_s=0.02)
    assert said[-1] == f"--otlp: 0 spans sent to {got.url}; 6 were not taken"


def test_a_collector_that_comes_later_gets_all(folder: RunFolder) -> None:
    """It is told once, with the status; what it did not take is sent again during the run."""
    said: list[str] = []
    about: dict[str, Any] = {"scenario": "seed/x", "seed": 7, "environment": {}}
    with (
        collector(status=500) as got,
        exporting.to(got.url, folder, say=said.append, timeout_s=SENT_WITHIN_S, **about),
    ):
        live(folder)
        assert wait_until(lambda: said, within_s=SENT_WITHIN_S, every_s=0.05)
        assert "500" in said[0]
        assert got.spans == []
        got.status = 200
        wait_for(got, "put")
        end(folder)
    assert said[1:] == [f"--otlp: 6 spans sent to {got.url}"]


@pytest.mark.parametrize(
    "url", ["localhost:4318", "http://", "grpc://localhost:4317", "http://x:nonsense", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is started, with what an address looks like."""
    with pytest.raises(ScenarioError, match=r"--otlp: expected .*http://localhost:4318, got "):
        exporting.require(url)


def test_a_password_in_the_url_is_refused() -> None:
    """It would stand in the process list; the complaint does not repeat it."""
    with pytest.raises(ScenarioError, match="OTEL_EXPORTER_OTLP_HEADERS") as refused:
        exporting.require("http://me:secret@localhost:4318")
    assert "secret" not in str(refused.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr(exporting, "find_spec", lambda _: None)
    with pytest.raises(ScenarioError, match=r"pip install 'zkmq\[otlp\]'"):
        exporting.require("http://localhost:4318")


def test_without_a_collector_nothing_is_started_or_imported(folder: RunFolder) -> None:
    """`harness run` without --otlp never loads OpenTelemetry, and has no process beside it."""
    code = (
        "import sys\n"
        "import harness.commands.running.run_command\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google'))])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
    said: list[str] = []
    send(folder, None, said)
    assert said == []
    assert not (folder.logs / "otlp.log").exists()


def test_a_run_whose_servers_never_came_up_sends_nothing(tmp_path: Path) -> None:
    """It has no date yet, and nothing has happened."""
    made = run_folder.create(tmp_path, "seed/x", 7, "description: d\n")
    said: list[str] = []
    with (
        collector() as got,
        exporting.to(got.url, made, scenario="seed/x", seed=7, say=said.append, environment={}),
    ):
        pass
    assert (said, got.spans) == ([], [])
