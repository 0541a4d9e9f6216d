"""Each scenario over time: its last runs, and how many were not as expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.common.rate import Rate
from harness.report.site.layout import render
from harness.report.site.shelf import RunRow

LAST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The last runs of one scenario, oldest first.

    Attributes:
        bad: runs that were not as expected, undecided ones among them.
        bounds: between which the share of bad runs lies, with a confidence of 95 %.
    """

    scenario: str
    rows: tuple[RunRow, ...]
    bad: int
    bounds: tuple[float, float]

    @property
    def flaky(self) -> bool:
        """Whether some runs were as expected and others were not."""
        return 0 < self.bad < len(self.rows)


def of_rows(rows: Sequence[RunRow]) -> list[Trend]:
    """Return the trends of all scenarios: flaky ones first, then those that fail, then by name."""
    by_scenario: dict[str, list[RunRow]] = {}
    for row in sorted(rows, key=lambda row: row.stamp):
        if row.judged:
            by_scenario.setdefault(row.scenario, []).append(row)
    trends = [_trend(scenario, found[-LAST:]) for scenario, found in by_scenario.items()]
    return sorted(trends, key=lambda trend: (not trend.flaky, not trend.bad, trend.scenario))


def trends_page(rows: Sequence[RunRow], *, scripts: tuple[str, ...] = ()) -> str:
    """Return the page of all scenarios over time."""
    return render("trends.html.j2", trends=of_rows(rows), last=LAST, scripts=scripts)


def _trend(scenario: str, rows: Sequence[RunRow]) -> Trend:
    bad = sum(not row.as_expected for row in rows)
    rate = Rate(count=bad, of=len(rows))
    return Trend(scenario=scenario, rows=tuple(rows), bad=bad, bounds=rate.bounds())
