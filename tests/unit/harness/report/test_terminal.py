"""What `harness run` prints: the live view, one line an event without a terminal, the summary."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.common.polling import wait_until
from harness.common.progress import Progress
from harness.common.run_clock import NS_PER_S, Clock
from harness.common.server_states import NodeStatus
from harness.report.terminal import Terminal, _Picture, summary_lines, time_left
from worlds.histories.judged_runs import judged, killed, lives, modes

MOST_LINES = 25


def results_of(place: Path, **settings: Any) -> dict[str, Any]:
    """Return the results of a run with two kills."""
    parts = (modes(0, 1), lives(**settings), killed(0, 1, 20, 60))
    folder = judged(place, *parts, came_to_its_end=True)
    return dict(json.loads(folder.results.read_text()))


def rendered(picture: _Picture) -> str:
    """Return the live view as text."""
    console = Console(file=io.StringIO(), width=120)
    console.print(picture.render())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_the_summary_is_short(tmp_path: Path) -> None:
    """However much was lost, the summary fits on a screen and ends with the report's path."""
    lines = summary_lines(results_of(tmp_path, lost=range(1, 40), items=40), "runs/x")
    assert len(lines) <= MOST_LINES
    assert lines[0].plain.startswith("by-hand: invalid (expected valid)")
    assert lines[-1].plain == "report: runs/x/report.html"
    assert any(
        "total-queue: invalid: lost, 39 times: items 1 to 39" in line.plain for line in lines
    )


def test_the_summary_of_a_valid_run(tmp_path: Path) -> None:
    """A run as expected says so in one word, and counts items and faults."""
    lines = [line.plain for line in summary_lines(results_of(tmp_path, lost=()), "runs/x")]
    assert lines[:3] == [
        "by-hand: valid",
        (
            "3 puts attempted: 3 acknowledged, 3 delivered, 0 lost, 0 duplicated, 0 unexpected, "
            "0 redelivered"
        ),
        "faults: 1 installed: kill node 1",
    ]


def test_without_a_terminal_events_are_lines() -> None:
    """In CI nothing moves: each event is a line with the run's time while the run lasts."""
    out = io.StringIO()
    terminal = Terminal(Console(file=out, force_terminal=False))
    terminal.say("before")
    with terminal.live(Progress(), Clock(time.monotonic_ns() - 3 * NS_PER_S)):
        terminal.say("kill node 3")
    terminal.say("after")
    lines = out.getvalue().splitlines()
    assert (lines[0], lines[2]) == ("before", "after")
    assert lines[1].startswith("    3.")
    assert lines[1].endswith(" s  kill node 3")


def test_the_live_view_shows_roles_faults_and_counts() -> None:
    """Nodes with their roles, faults in force, the phase, and what was put and taken."""
    progress = Progress(phase="phase 1 of 2")
    progress.statuses = [NodeStatus(node=1, mode="leader"), NodeStatus(node=2, mode="down")]
    progress.in_force[0] = "kill node 2"
    progress.add({"acknowledged": 12, "delivered": 7, "info": 1})
    text = rendered(_Picture(progress, Clock()))
    for word in ("phase 1 of 2", "1 leader", "2 down", "kill node 2", "put 12", "taken 7"):
        assert word in text


def test_the_live_view_counts_the_gap() -> None:
    """The time since the last success grows, and starts anew with the next one."""
    progress, picture = Progress(), _Picture(Progress(), Clock())
    progress.add({"acknowledged": 1})
    assert picture._gap_s(5.0, progress.counts()) == 0.0
    assert picture._gap_s(8.5, progress.counts()) == pytest.approx(3.5)
    progress.add({"delivered": 1})
    assert picture._gap_s(9.0, progress.counts()) == 0.0


@pytest.mark.parametrize(
    ("due", "told"),
    [
        ({}, ""),
        ({"limit_s": 90.0}, "at most 80 s left"),
        (
            {"limit_s": 300.0, "phase_due_s": 22.0, "run_due_s": 22.0},
            "about 12 s left, at most 290 s left",
        ),
        ({"phase_due_s": 7.0}, "3 s late"),
        ({"phase_due_s": 22.0, "run_due_s": 60.0}, "about 12 s left, all phases 50 s"),
    ],
)
def test_time_left(due: dict[str, float], told: str) -> None:
    """Ten seconds into a run: what is left of the phase and of all, where it is known."""
    progress = Progress()
    progress.begin("phase 1 of 2", **due)
    assert time_left(progress, 10.0) == told
    assert told in rendered(_Picture(progress, Clock(time.monotonic_ns() - 10 * NS_PER_S)))


def test_known_defects_of_the_servers_are_told_beside_a_valid_verdict(tmp_path: Path) -> None:
    """They change no verdict, so nobody would look for them in the details."""
    results = results_of(tmp_path, lost=())
    known = {"name": "a", "seen": 2, "nodes": [1, 3], "issue": "ZOOKEEPER-1", "finding": None}
    results["checks"][0]["details"]["known_defects"] = [known]
    lines = [line.plain for line in summary_lines(results, "runs/x")]
    assert "server-logs: known: a, seen 2 times on nodes 1, 3 (ZOOKEEPER-1)" in lines


@pytest.mark.parametrize(
    ("keys", "told", "style"),
    [
        ({"verdict": "invalid", "as_expected": False}, "invalid (expected valid)", "bold red"),
        (
            {"verdict": "invalid", "as_expected": True, "expect": "invalid", "because": "lost"},
            "invalid because lost, as expected",
            "bold green",
        ),
        (
            {"verdict": "valid", "as_expected": False, "expect": "invalid", "because": "lost"},
            "valid (expected invalid because lost)",
            "bold red",
        ),
        ({"verdict": "unknown", "as_expected": False}, "unknown (expected valid)", "bold yellow"),
    ],
)
def test_the_headline_is_red_only_if_something_is_wrong(
    keys: dict[str, Any], told: str, style: str, tmp_path: Path
) -> None:
    """A control that finds its bug is good news; a valid verdict where a bug was planted is not."""
    results = results_of(tmp_path, lost=()) | keys
    line = summary_lines(results, "runs/x")[0]
    assert line.plain == f"by-hand: {told}"
    assert [str(span.style) for span in line.spans] == [style]


def test_waiting_is_never_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long is told once, then by dots; an event in between gets a line of its own."""
    monkeypatch.setattr("harness.report.terminal.DOT_EACH_S", 0.01)
    out = io.StringIO()
    terminal = Terminal(Console(file=out, force_terminal=False))
    with terminal.waiting("starting 5 servers"):
        _wait_for(out, "starting 5 servers ..")
        terminal.say("building an image")
        _wait_for(out, "building an image\n.")
    terminal.say("ready")
    lines = out.getvalue().splitlines()
    assert lines[0].rstrip(".") == "starting 5 servers "
    assert lines[1] == "building an image"
    assert set(lines[2]) == {"."}
    assert lines[3] == "ready"


def test_what_is_quick_is_not_told() -> None:
    """A wait that is over before the first dot leaves no trace."""
    out = io.StringIO()
    terminal = Terminal(Console(file=out, force_terminal=False))
    with terminal.waiting("judging"):
        pass
    assert out.getvalue() == ""


def _wait_for(out: io.StringIO, text: str) -> None:
    wait_until(out.getvalue, lambda told: text in told, within_s=30, every_s=0.01)
