"""Scenarios over time, and causes."""

from typing import Any

import pytest

from harness.report.site import causes, comparison, trends
from harness.report.site.shelf import RunRow


def row(scenario: str, number: int, *, good: bool = True, **more: Any) -> RunRow:
    """Return a judged run; larger numbers are newer."""
    told = {"verdict": "valid" if good else "invalid", "expect": "valid"} | more
    return RunRow(name=f"{scenario}/{number:04}", as_expected=good, **told)


def test_only_the_last_runs_count() -> None:
    """A failure of long ago is not in the trend, which runs from old to new."""
    rows = [row("a", n, good=n > 0) for n in range(trends.LAST + 1)]
    (trend,) = trends.of_rows(rows)
    assert (trend.bad, len(trend.rows)) == (0, trends.LAST)
    assert [each.name for each in trend.rows] == sorted(each.name for each in trend.rows)


def test_flaky_is_what_does_both() -> None:
    """A scenario that always fails is not flaky, nor one that never does; flaky ones come first."""
    rows = [
        *(row("fine", n) for n in range(3)),
        *(row("broken", n, good=False) for n in range(3)),
        *(row("now-and-then", n, good=n != 1) for n in range(3)),
        RunRow(name="open/1", verdict="running"),
    ]
    found = trends.of_rows(rows)
    assert [(t.scenario, t.flaky) for t in found] == [
        ("now-and-then", True),
        ("broken", False),
        ("fine", False),
    ]
    page = trends.trends_page(rows)
    assert page.count(">flaky<") == 1
    assert page.count('class="cell bad"') == 4


def test_causes_are_grouped() -> None:
    """Runs that failed of the same are one group, whatever their scenario, surprises first."""
    lost = {"verdict": "invalid", "cause": "total-queue: lost"}
    rows = [
        row("a", 1, good=False, **lost, faults=("kill", "partition")),
        row("b", 2, good=False, **lost, faults=("kill",)),
        row("control", 3, verdict="invalid", cause="replicas: replicas differ"),
        row("fine", 4),
        row("c", 5, good=False, verdict="valid", expect="invalid"),
    ]
    found = causes.of_rows(rows)
    assert [(each.cause, each.surprising, each.scenarios) for each in found] == [
        ("total-queue: lost", 2, ["a", "b"]),
        ("valid, where invalid was expected", 1, ["c"]),
        ("replicas: replicas differ", 0, ["control"]),
    ]
    assert found[0].shared_faults == ["kill"]
    assert "total-queue: lost" in causes.causes_page(rows)


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        (0.981, 0.974, False),
        (0.98, 0.90, True),
        (5.1, 5.4, False),
        (5.1, 9.0, True),
        (100.0, 110.0, False),
        (None, 3.0, True),
        (None, None, False),
    ],
)
def test_beyond_noise(first: float | None, second: float | None, differ: bool) -> None:  # noqa: FBT001
    """Two runs of one scenario never measure quite the same; only more than that differs."""
    assert comparison.beyond_noise(first, second) is differ
