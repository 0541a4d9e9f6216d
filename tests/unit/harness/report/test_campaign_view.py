"""What a campaign shows while it works."""

import io
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness.campaign.outcome_file import Ended, Outcomes, Started
from harness.report import campaign_view
from harness.report.campaign_view import CampaignView
from harness.report.terminal import Terminal


def ended(task: int, verdict: str, expected: str = "valid") -> Ended:
    """Return the end of a task with this verdict."""
    right = verdict == expected
    cause = "lost" if verdict == "invalid" and not right else ""
    return Ended(task=f"{task}", name="x", verdict=verdict, at="", as_expected=right, cause=cause)


def outcomes(*verdicts: str, running: int = 0) -> Outcomes:
    """Return what a campaign's file says of tasks that came to these verdicts."""
    told = Outcomes()
    for number, verdict in enumerate(verdicts):
        told.take(ended(number, verdict))
    for number in range(running):
        told.take(Started(task=f"r{number}", worker=f"w{number}", attempt=number + 1, at=""))
    return told


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the view's clock, in seconds."""
    clock = [0.0]
    # No other thread's.
    monkeypatch.setattr(campaign_view, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def view(told: Outcomes, tasks: int, **console: Any) -> CampaignView:
    """Return the view of a campaign, on a console that keeps what is printed."""
    made = Console(file=io.StringIO(), width=100, highlight=False, **console)
    return CampaignView(Terminal(made), told, tasks, line_each_s=0.01)


def test_one_line_says_how_far_it_is(now: list[float]) -> None:
    """Verdicts, what runs, the rate since this start, and how long the rest will take."""
    told = outcomes("valid", "valid")
    seen = view(told, 10)
    told.take(ended(2, "valid"))
    told.take(ended(3, "invalid"))
    now[0] = 60.0
    assert seen.line() == (
        "4 of 10 done (3 valid, 1 invalid), 0 running, 2.0 a minute, about 3 min left"
    )


def test_a_control_that_is_invalid_as_it_must_be_is_no_bad_news() -> None:
    """What came as expected, and what did not, are counted apart."""
    ends = [ended(0, "valid"), ended(1, "invalid"), ended(2, "invalid", expected="invalid")]
    ends += [ended(3, "valid", expected="invalid"), ended(4, "unknown", expected="unknown")]
    assert campaign_view.tally(ends) == (
        "1 valid, 1 valid against expectation, 1 unknown as expected, "
        "1 invalid, 1 invalid as expected"
    )


def test_before_anything_is_done(now: list[float]) -> None:
    """No rate is made up, and a number of tasks that nobody knows is not told."""
    assert view(outcomes(running=2), 0).line() == ("0 done (nothing yet), 2 running, 0.0 a minute")


def test_a_terminal_has_workers_and_causes(now: list[float]) -> None:
    """Each worker's task, attempts after a death, and the rate of each cause."""
    seen = view(outcomes("valid", "invalid", "invalid", running=2), 9)
    console = Console(file=io.StringIO(), width=100)
    console.print(seen.table())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "worker w0  r0" in text
    assert "worker w1  r1  attempt 2" in text
    assert "lost  2 of 3 (21 to 94 %)" in text


def test_without_a_terminal_there_are_lines() -> None:
    """A line comes now and then, and none after the end."""
    seen, said = view(outcomes("valid"), 2), threading.Event()
    seen._terminal.say = lambda _: said.set()  # type: ignore[method-assign]
    with seen:
        assert said.wait(30)
    assert "campaign-lines" not in {thread.name for thread in threading.enumerate()}
