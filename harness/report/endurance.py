"""What several runs show together: items lost, outages by their cause, downtime a year."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.checkers.availability import OUTAGE_NS
from harness.common.harness_errors import ScenarioError
from harness.search.field_rates import Table
from harness.words import none_lost

SECONDS_A_YEAR = 365.25 * 86_400
RESAMPLES = 10_000
SURE = (2.5, 97.5)  # percentiles: 95 %
RULE_OF_THREE = 3.0  # -ln(0.05): what 95 % of the samples of a rarer event would have shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Longest:
    """The longest outage: in which run, when it began, after which fault."""

    length_s: float
    run: str
    begin_s: float
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfEvent:
    """What one kind of event cost.

    Attributes:
        per_year: how often the table expects it; None if it is not in the table.
        outages_s: for each injection, how long no put succeeded because of it.
    """

    name: str
    per_year: float | None
    outages_s: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        """Return how long an injection stopped the puts on average."""
        return sum(self.outages_s) / len(self.outages_s)

    @property
    def a_year_s(self) -> float:
        """Return how long it stops the puts in a year."""
        return (self.per_year or 0.0) * self.mean_s


@dataclass(slots=True, kw_only=True)
class Endurance:
    """The sum of several runs.

    Attributes:
        none_lost_of: acknowledged items of the runs that were found to have lost none.
        missing: events of the table that no run had, with their rates; their cost is unknown.
        downtime_s: a year, and the 95 % interval of a bootstrap over the injections of each kind.
        without_cause_s: outages before the first fault of a run.
    """

    runs: int = 0
    not_as_expected: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    none_lost_of: int = 0
    faults: int = 0
    events: list[OfEvent] = field(default_factory=list)
    missing: dict[str, float] = field(default_factory=dict)
    longest: Longest | None = None
    years: float = 0.0
    downtime_s: float = 0.0
    between_s: tuple[float, float] = (0.0, 0.0)
    without_cause_s: float = 0.0

    @property
    def one_in(self) -> float | None:
        """Return of how many acknowledged items at most one is lost, 95 % sure.

        None if some were, or nobody looked. Source: the rule of three, 3/n.
        """
        some_lost = self.counts.get("lost") or not self.none_lost_of
        return None if some_lost else self.none_lost_of / RULE_OF_THREE

    @property
    def available(self) -> float:
        """Return the share of a year in which puts succeed."""
        return 1 - self.downtime_s / SECONDS_A_YEAR


def add_up(runs: Mapping[str, Mapping[str, Any]], table: Table) -> Endurance:
    """Return what runs show together; `runs` has results.json by the name of the run.

    Raises:
        ScenarioError: a run was judged by an older release, or had no faults.
    """
    rates = {rate.event: rate.per_year for rate in table.rate}
    total = Endurance(runs=len(runs))
    outages_s: dict[str, list[float]] = defaultdict(list)
    for run, results in runs.items():
        _count(total, run, results)
        for kind, length_s in _of_run(total, run, results):
            outages_s[kind].append(length_s)
    if not total.faults:
        raise ScenarioError("endurance: expected runs with faults, got none")
    total.events = sorted(
        (
            OfEvent(name=kind, per_year=rates.get(kind), outages_s=tuple(lengths_s))
            for kind, lengths_s in outages_s.items()
        ),
        key=lambda event: (-event.a_year_s, event.name),
    )
    total.missing = {event: rate for event, rate in rates.items() if event not in outages_s}
    known = [event for event in total.events if event.per_year is not None]
    total.years = sum(len(event.outages_s) for event in known) / table.per_year
    total.downtime_s = sum(event.a_year_s for event in known)
    total.between_s = _bootstrap(known)
    return total


def _count(total: Endurance, run: str, results: Mapping[str, Any]) -> None:
    if not results["as_expected"]:
        total.not_as_expected.append(run)
    if none_lost(results):
        total.none_lost_of += results["counts"]["acknowledged"]
    for what, number in results["counts"].items():
        total.counts[what] = total.counts.get(what, 0) + (number or 0)


def _of_run(total: Endurance, run: str, results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield for each installed injection its kind, and how long it stopped the puts."""
    installed = sorted(
        (fault for fault in results["faults"] if fault["outcome"] == "installed"),
        key=lambda fault: fault["inject_ns"],
    )
    costs_s = [0.0] * len(installed)
    for outage in _outages(run, results):
        length_s, begin_ns = outage["length_s"], outage["begin_ns"]
        place = _cause(installed, begin_ns)
        if place is None:
            total.without_cause_s += length_s
            continue
        costs_s[place] += length_s
        if total.longest is None or length_s > total.longest.length_s:
            total.longest = Longest(
                length_s=length_s,
                run=run,
                begin_s=begin_ns / 1e9,
                cause=installed[place].get("what") or installed[place]["fault"],
            )
    total.faults += len(installed)
    for fault, cost_s in zip(installed, costs_s, strict=True):
        yield re.sub(r"-\d+$", "", fault["name"]), cost_s


def _cause(installed: Sequence[Mapping[str, Any]], begin_ns: int) -> int | None:
    """Return the injection that an outage is put down to; None if there was none yet.

    It is the last one before, unless that one is healed and another comes at once: then a put was
    on its way when the fault came.
    """
    before = [n for n, fault in enumerate(installed) if fault["inject_ns"] <= begin_ns]
    last = before[-1] if before else None
    if last is not None and (installed[last]["heal_ns"] or 0) >= begin_ns:
        return last
    following = 0 if last is None else last + 1
    if following < len(installed):
        waited_ns = installed[following]["inject_ns"] - begin_ns
        return following if waited_ns <= OUTAGE_NS else last
    return last


def _outages(run: str, results: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    for check in results["checks"]:
        if check["name"] == "availability" and "put_outages" in check.get("details", {}):
            found: Sequence[Mapping[str, Any]] = check["details"]["put_outages"]
            return found
    raise ScenarioError(
        f"{run}: expected the outages of its puts in results.json, got none; `harness check {run}` "
        f"judges it anew"
    )


def _bootstrap(events: Sequence[OfEvent]) -> tuple[float, float]:
    """Return between which values the downtime of a year is, 95 % sure, in seconds.

    The injections of each kind are drawn anew, as many as there were; O(RESAMPLES * injections).
    Source: Efron, Bootstrap methods (1979), percentile interval.
    """
    rng = np.random.default_rng(1)
    totals = np.zeros(RESAMPLES)
    for event in events:
        seen = np.array(event.outages_s)
        drawn = rng.integers(0, len(seen), (RESAMPLES, len(seen)))
        totals += (event.per_year or 0.0) * seen[drawn].mean(axis=1)
    low, high = np.percentile(totals, SURE)
    return float(low), float(high)
