"""Campaigns: what came of the runs over time, and each cause with its rate and its first run."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.campaign import outcome_file
from harness.campaign.outcome_file import Ended, Outcomes
from harness.common import run_clock
from harness.common.harness_errors import HistoryError, ScenarioError
from harness.common.rate import Rate
from harness.report import page
from harness.report.batch_summary import STATES, state_of
from harness.report.campaign_view import tally
from harness.report.site.layout import render

BINS = 60  # of the time between the first and the last end
_Seen = tuple[tuple[int, int], Outcomes]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonFailure:
    """The runs with one cause.

    Attributes:
        rate: of all runs that came to a verdict, or were to.
        of_scenarios: the same for each scenario that showed it, of its own runs.
        first: the run that ended first.
    """

    cause: str
    rate: Rate
    of_scenarios: Mapping[str, Rate]
    first: Ended
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """A part of the campaign's time, and how many tasks ended in it by state."""

    since: datetime
    counts: Mapping[str, int]


class CampaignShelf:
    """The campaigns below a folder of runs; a file that has not changed is not read again."""

    def __init__(self, runs: Path) -> None:
        self._folder = runs / outcome_file.FOLDER
        self._lock = threading.Lock()
        self._known: dict[str, _Seen] = {}

    def all(self) -> dict[str, Outcomes]:
        """Return all campaigns by name, those that wrote last first."""
        with self._lock:
            seen = {name: self._looked(name) for name in self._names()}
            self._known = {name: one for name, one in seen.items() if one is not None}
            newest = sorted(self._known.items(), key=lambda item: item[1][0], reverse=True)
        return {name: outcomes for name, (_, outcomes) in newest}

    def _names(self) -> list[str]:
        return [path.parent.name for path in self._folder.glob(f"*/{outcome_file.FILE}")]

    def _looked(self, name: str) -> _Seen | None:
        path = self._folder / name / outcome_file.FILE
        try:
            stat = path.stat()
            changed = stat.st_mtime_ns, stat.st_size
            before = self._known.get(name)
            if before is not None and before[0] == changed:
                return before
            return changed, outcome_file.read(path)
        except (OSError, ScenarioError):
            return None  # removed at this very moment, or not ours to read


def state(ended: Ended) -> str:
    """Return how a task ended: one of STATES."""
    if ended.verdict in {"skipped", "failed"}:
        return ended.verdict
    return state_of(ended.verdict, as_expected=ended.as_expected)


def findings(ended: Sequence[Ended]) -> list[CommonFailure]:
    """Return what runs failed of, what happened most first."""
    tried = [one for one in ended if one.verdict != "skipped"]
    of_scenario = Counter(one.name for one in tried)
    groups: dict[str, list[Ended]] = {}
    for one in tried:
        if not one.as_expected:
            groups.setdefault(one.cause or one.verdict, []).append(one)
    found = [_finding(cause, group, len(tried), of_scenario) for cause, group in groups.items()]
    return sorted(found, key=lambda each: (-each.rate.count, each.cause))


def _finding(
    cause: str, group: Sequence[Ended], tried: int, of: Mapping[str, int]
) -> CommonFailure:
    times = Counter(one.name for one in group)
    return CommonFailure(
        cause=cause,
        rate=Rate(count=len(group), of=tried),
        of_scenarios={name: Rate(count=n, of=of[name]) for name, n in times.most_common()},
        first=min(group, key=lambda one: one.at),
        verdicts=tuple(sorted({one.verdict for one in group})),
    )


def over_time(ended: Sequence[Ended], bins: int = BINS) -> list[Bin]:
    """Return how many ended when, in equal parts of the time; empty without any."""
    at = [(moment, state(one)) for one in ended if (moment := run_clock.moment(one.at)) is not None]
    if not at:
        return []
    first, last = min(at)[0], max(at)[0]
    width = max((last - first) / bins, (last - first).resolution)
    counts: list[Counter[str]] = [Counter() for _ in range(bins)]
    for moment, word in at:
        counts[min(bins - 1, (moment - first) // width)][word] += 1
    return [Bin(since=first + n * width, counts=count) for n, count in enumerate(counts)]


def list_page(campaigns: Mapping[str, Outcomes], *, scripts: tuple[str, ...] = ()) -> str:
    """Return the page of all campaigns."""
    rows = [
        (name, told, tally(list(told.ended.values())), findings(list(told.ended.values())))
        for name, told in campaigns.items()
    ]
    return render("campaigns.html.j2", rows=rows, when=when, scripts=scripts)


def campaign_page(
    runs: Path, campaigns: Mapping[str, Outcomes], name: str, *, scripts: tuple[str, ...] = ()
) -> str:
    """Return the page of one campaign.

    Raises:
        HistoryError: there is none of that name.
    """
    if name not in campaigns:
        raise HistoryError(f"campaigns: expected one of {', '.join(campaigns) or 'none'}")
    told = campaigns[name]
    ended = list(told.ended.values())
    bins = over_time(ended)
    found = findings(ended)
    return render(
        "campaign.html.j2",
        name=name,
        told=told,
        ended=ended,
        tally=tally(ended),
        attempts=sum(one.attempts > 1 for one in ended),
        bins=bins,
        most=max((sum(each.counts.values()) for each in bins), default=0),
        states=STATES,
        seen=[word for word in STATES if any(each.counts.get(word) for each in bins)],
        when=when,
        findings=found,
        reports={f.first.run for f in found if (runs / f.first.run / page.FILE).is_file()},
        scripts=scripts,
    )


def when(stamp: str) -> str:
    """Return a time of the file as people read it, to the second; one of another shape as it is."""
    at = run_clock.moment(stamp)
    return stamp if at is None else at.strftime("%Y-%m-%d %H:%M:%S")
