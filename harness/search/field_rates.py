"""Scenarios from a table of field rates: how often what happens to a quorum in a year.

Pure but for `load`. Each kind of event has a random stream of its own, so a table with one more
kind gives the same events of the others.
"""

import tomllib
from collections.abc import Sequence
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import msgspec

from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.faults import faults
from harness.scenario import plan
from harness.search.shrink import Data

MAX_BYTES = 1 << 20
QUARTERS = 4  # of a year; each is a phase, with new clients
NODES = 5
PUTS = 6000  # of a quarter at most: it ends with its faults
LIMIT_S = 900.0  # of a quarter
JITTER_S = 1.0  # between two events
DATA_MB = 256
# A log of 4 MB for each start would fill the disks that one piece hands to the next.
SMALL_LOGS = {"preAllocSize": 64}


class FieldRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one kind of event happens to the quorum.

    Attributes:
        source: where the rate comes from; "assumed" if nobody measured it.
        fault: a fault with its settings, as in a scenario.
        hold_s: how long it lasts here; None for a fault that is over at once.
        planned: whether it comes at regular intervals.
    """

    event: str
    what: str
    per_year: float
    source: str
    fault: dict[str, dict[str, Any]]
    hold_s: float | None = None
    planned: bool = False

    @property
    def kind(self) -> str:
        """Return the fault's registered name."""
        return next(iter(self.fault))


class FieldWork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the clients do, and the releases that the servers go through, again and again."""

    releases: list[str]
    put_hz: float
    producers: int
    consumers: int


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of field rates."""

    work: FieldWork
    rate: list[FieldRate]
    sources: dict[str, str] = {}

    @property
    def per_year(self) -> float:
        """Return how many events a year has on average."""
        return sum(rate.per_year for rate in self.rate)


def load(path: Path) -> Table:
    """Read a table.

    Raises:
        ScenarioError: it is none; says what is wrong where.
    """
    text = files.read(path, "table of field rates", at_most=MAX_BYTES)
    try:
        table = msgspec.convert(tomllib.loads(text.decode()), Table)
    except (ValueError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path}: expected a table of field rates: {error}") from error
    for rate in table.rate:
        _require(path, rate)
    if not table.rate or not table.work.releases:
        raise ScenarioError(f"{path}: expected at least one [[rate]] and one release, got none")
    return table


def _require(path: Path, rate: FieldRate) -> None:
    where = f"{path}: rate {rate.event!r}"
    if len(rate.fault) != 1 or rate.kind not in faults:
        got = ", ".join(rate.fault) or "none"
        raise ScenarioError(f"{where}: fault: expected one fault of `harness list`, got {got}")
    if not 0 < rate.per_year < plan.MAX_INJECTIONS:
        raise ScenarioError(f"{where}: per_year: expected a number above 0, got {rate.per_year:g}")
    if not rate.source.strip():
        raise ScenarioError(f'{where}: source: expected a source, or "assumed", got none')


def scenario(table: Table, *, years: int, seed: int, title: str) -> Data:
    """Return the data of a scenario that lives through so many years, a phase for each quarter.

    In a quarter one event follows the other, since events in the field last minutes and are days
    apart: what hits two servers at once stands in the table as one event.
    """
    names, releases = count(1), islice(cycle(table.work.releases), 1, None)
    quarters = [
        [_entry(rate, next(names), releases) for rate in quarter]
        for quarter in drawn(table, years=years, seed=seed)
    ]
    needs = sorted({need for rate in table.rate for need in faults[rate.kind].needs})
    cluster: Data = {"nodes": NODES, "zookeeper": table.work.releases[0], "zoo_cfg": SMALL_LOGS}
    return {
        "description": title,
        "seed": seed,
        "claim": "stale",
        "segment_items": 100,
        "cluster": cluster | {need: DATA_MB if need == "data_mb" else True for need in needs},
        "phases": [
            {
                "name": f"year-{1 + number // QUARTERS}-q{1 + number % QUARTERS}",
                "limit_s": LIMIT_S,
                "workload": _workload(table.work, number),
                "faults": entries,
            }
            for number, entries in enumerate(quarters)
        ],
        "expect": "valid",
    }


def drawn(table: Table, *, years: int, seed: int) -> list[list[FieldRate]]:
    """Return the events of each quarter, in order."""
    quarters: list[list[FieldRate]] = [[] for _ in range(years * QUARTERS)]
    for rate in table.rate:
        for number, times in enumerate(_counts(rate, table.work, len(quarters), seed)):
            quarters[number] += [rate] * times
    for number, quarter in enumerate(quarters):
        plan.stream(seed, "order", number).shuffle(quarter)
    return quarters


def _counts(rate: FieldRate, work: FieldWork, quarters: int, seed: int) -> Sequence[int]:
    """Return how often an event happens in each quarter; random ones are a Poisson process."""
    counts = [0] * quarters
    rng = plan.stream(seed, "years", rate.event)
    at = 0.5 / rate.per_year if rate.planned else rng.expovariate(rate.per_year)
    while at * QUARTERS < quarters:
        counts[int(at * QUARTERS)] += 1
        at += 1 / rate.per_year if rate.planned else rng.expovariate(rate.per_year)
    if rate.kind == "client-crash":
        # Who was killed stays away until the quarter's end, and somebody must go on.
        most = (work.producers if "put" in str(rate.fault) else work.consumers) - 1
        for number in range(quarters - 1):
            over = max(0, counts[number] - most)
            counts[number], counts[number + 1] = counts[number] - over, counts[number + 1] + over
    return counts


def _entry(rate: FieldRate, number: int, releases: Any) -> Data:
    settings = dict(rate.fault[rate.kind])
    if rate.kind == "rolling-upgrade":
        settings["to"] = next(releases)
    hold = {} if rate.hold_s is None else {"for_s": rate.hold_s}
    return {"name": f"{rate.event}-{number}", rate.kind: settings, "jitter_s": JITTER_S, **hold}


def _workload(work: FieldWork, number: int) -> list[Data]:
    put = {"count": PUTS, "first": 1 + PUTS * number, "rate_hz": work.put_hz}
    take = {"clients": work.consumers, "wait_s": 1, "release_every": 50}
    return [
        {"put-all": put | {"clients": work.producers, "while_faults": True}},
        {"check-all": take},
    ]
