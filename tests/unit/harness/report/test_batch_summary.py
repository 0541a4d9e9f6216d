"""The table that ends a batch: every scenario, and the failures last and in words."""

import io
from typing import Any

from rich.console import Console

from harness.report.batch_summary import Row, closing, table
from harness.report.terminal import Terminal, wide

LONG = "runs/" + "a-long-name/" * 20 + "report.html"


def row(name: str, verdict: str, *, expect: str = "valid", **more: Any) -> Row:
    """Return the row of a judged run."""
    reasons = more.pop("reasons", [])
    check = {"name": "total-queue", "verdict": verdict, "reasons": reasons, "witnesses": []}
    results = {
        "scenario": name,
        "verdict": verdict,
        "expect": expect,
        "because": None,
        "as_expected": verdict == expect,
        "counts": {"acknowledged": 5, "lost": 0, "duplicated": 0},
        "checks": [check | {"more_witnesses": 0, "details": {}}],
        "faults": [],
        "availability": {},
    }
    return Row.of(results | more, 12.3, f"runs/{name}/report.html")


def printed(rows: list[Row]) -> list[str]:
    """Return what a pipe gets."""
    out = io.StringIO()
    Terminal(Console(file=out, force_terminal=False)).batch(rows)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_failures_come_last_and_in_words() -> None:
    """Whoever reads the last lines of a log of CI knows which scenario failed, and of what."""
    rows = [
        row("c", "invalid", reasons=["lost"]),
        Row(
            scenario="d",
            state="failed",
            verdict="failed",
            expected="",
            sentence="no engine",
            took_s=1,
        ),
        row("a", "valid"),
        row("b", "invalid", expect="invalid", reasons=["lost"]),
        Row(scenario="e", state="skipped", verdict="skipped", expected="", took_s=0),
    ]
    lines = printed(rows)
    assert [line.split()[0] for line in lines[2:7]] == ["a", "b", "e", "c", "d"]
    assert lines[5].split() == ["c", "invalid", "valid", "lost", "12", "s", "runs/c/report.html"]
    assert lines[7] == "2 of 5 scenarios as expected, 1 skipped"
    assert lines[8] == "c: invalid, expected valid: total-queue found: lost."
    assert lines[9] == "d: failed: no engine"
    assert len(lines) == 10


def test_an_expected_invalid_is_not_red() -> None:
    """A control that found its bug is shown like any other success."""
    styles = [
        str(cell.style)
        for each in (row("b", "invalid", expect="invalid"), row("c", "invalid"))
        for cell in table([each]).columns[1].cells
    ]
    assert styles == ["green", "bold red"]
    assert next(iter(closing([row("b", "invalid", expect="invalid")]))).style == "bold green"


def test_nothing_is_cut_in_a_pipe() -> None:
    """A path of any length is whole where there is no terminal to fit into."""
    rows = [
        Row(
            scenario="a",
            state="as expected",
            verdict="valid",
            expected="valid",
            took_s=1,
            report=LONG,
        )
    ]
    assert any(line.endswith(LONG) for line in printed(rows))


def test_a_terminal_keeps_its_width() -> None:
    """In a terminal a table folds within it."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    assert wide(console) is console


def test_an_interrupted_run_says_by_what() -> None:
    """SIGTERM from CI's time limit is not a person's Ctrl-C."""
    assert row("a", "unknown", interrupted="SIGTERM").reason == "interrupted by SIGTERM"
