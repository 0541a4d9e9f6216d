"""The picture of a run: servers, clients, rates, latencies and depth over one time axis.

It is plain data, JSON-ready; charts.js draws it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import words
from harness.faults import faults
from harness.history.columns import INFO, OUTCOMES, History, Ints
from harness.history.record import OPERATIONS
from harness.report.charts import lanes, rates, sample, spans
from harness.report.charts.lanes import Lanes

MOST_OPERATIONS = 5_000
BREAK_S = 1.0  # a line across a longer time without calls would show latencies of no call
_ROUND = 5

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What charts.js draws, and what the words beside it say.

    Attributes:
        data: `span_s`, `lanes`, `modes`, `faults`, `leaders`, `session_ends`, `calls`, `sessions`,
            `rates`, `latencies` and `depth`; times are seconds, a lane is a place in `lanes`, and a
            call's session is one in `sessions`, which tells who opened it.
        rows: the rows of the history that are drawn, in the order of `calls`.
        operations: how many operations there were.
        clients_left_out: clients that are not drawn.
    """

    data: Json
    rows: Ints
    operations: int
    clients_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where each lane stands, from 0 at the top: the servers, then the clients."""

    servers: Sequence[int]
    clients: Lanes

    def of_servers(self, nodes: Sequence[int]) -> list[int]:
        return [self.servers.index(node) for node in nodes if node in self.servers]

    def of_processes(self, processes: Ints) -> Ints:
        found: Ints = self.clients.of_process[processes] + len(self.servers)
        return found

    @property
    def labels(self) -> list[str]:
        return [f"node {node}" for node in self.servers] + [x.label for x in self.clients.lanes]


def draw(history: History, results: Mapping[str, Any]) -> Picture:
    """Return the picture of a run. O(n log n)."""
    witnesses = sample.witness_rows(history, results)
    clients = lanes.of_clients(history, witnesses)
    rows = sample.rows_to_draw(history, witnesses, MOST_OPERATIONS)
    rows = rows[clients.of_process[history.process[rows]] >= 0]
    modes = spans.modes(history)
    place = _Place(servers=sorted({mode.node for mode in modes}), clients=clients)
    span_s = max(spans.end_ns(history) / 1e9, rates.NARROWEST_S)
    data = {
        "span_s": round(span_s, 3),
        "lanes": place.labels,
        "modes": [
            [mode.mode, *place.of_servers([mode.node]), in_s(mode.begin_ns), in_s(mode.end_ns)]
            for mode in modes
        ],
        "faults": list(_faults(results["faults"], place, span_s)),
        "leaders": [[in_s(at_ns), node] for at_ns, node in spans.leader_changes(history)],
        "session_ends": list(_session_ends(history, place)),
        "calls": _calls(history, rows, witnesses[rows], place),
        "sessions": _sessions(history),
        "rates": _rates(history, span_s),
        "latencies": list(_latencies(history, span_s)),
        "depth": _depth(history, span_s),
    }
    return Picture(
        data=data,
        rows=rows,
        operations=len(history),
        clients_left_out=clients.left_out,
    )


def in_s(time_ns: int) -> float:
    """Return seconds, as exact as a picture needs."""
    return round(time_ns / 1e9, _ROUND)


def _faults(hurt: Sequence[Mapping[str, Any]], place: _Place, span_s: float) -> Iterator[Json]:
    """Yield the faults that took effect: what they are called, when, and the lanes they hit."""
    for fault in hurt:
        if fault["outcome"] == "installed":
            yield {
                "label": words.fault(fault),
                "from_s": in_s(fault["inject_ns"]),
                "to_s": _over_s(fault, span_s),
                "lanes": place.of_servers(fault["nodes"]),
            }


def _over_s(fault: Mapping[str, Any], span_s: float) -> float:
    """Return when a fault was over: healed, or done with at once, or else the run's end."""
    if fault["heal_ns"] is not None:
        return in_s(fault["heal_ns"])
    if fault["fault"] in faults and not faults[fault["fault"]].lasting:
        return in_s(fault["inject_ns"] + 1_000_000 * fault["evidence"].get("took_ms", 0))
    return round(span_s, 3)


def _session_ends(history: History, place: _Place) -> Iterator[tuple[float, int, str]]:
    for end in spans.session_ends(history):
        number = history.number_of_process.get(end.process) if end.process is not None else None
        if number is not None and place.clients.of_process[number] >= 0:
            (lane,) = place.of_processes(np.array([number])).tolist()
            yield in_s(end.time_ns), lane, end.why


def _calls(history: History, rows: Ints, witness: NDArray[np.bool_], place: _Place) -> Json:
    """Return the calls that are drawn, a list per column, in order of invocation."""
    unknown = (history.outcome[rows] == INFO).tolist()
    value = history.value[rows].tolist()
    ends_s = np.round(history.complete_ns[rows] / 1e9, _ROUND).tolist()
    return {
        "index": history.index[rows].tolist(),
        "f": [OPERATIONS[f] for f in history.f[rows].tolist()],
        "outcome": [OUTCOMES[outcome] for outcome in history.outcome[rows].tolist()],
        "value": [history.values[number] if number >= 0 else None for number in value],
        "from_s": np.round(history.invoke_ns[rows] / 1e9, _ROUND).tolist(),
        "to_s": [None if lost else at for lost, at in zip(unknown, ends_s, strict=True)],
        "lane": place.of_processes(history.process[rows]).tolist(),
        "process": [history.processes[number] for number in history.process[rows].tolist()],
        "zxid": [zxid if zxid >= 0 else None for zxid in history.zxid[rows].tolist()],
        "delivery": [delivery or None for delivery in history.delivery[rows].tolist()],
        "session": history.session[rows].tolist(),
        "witness": np.flatnonzero(witness).tolist(),
    }


def _sessions(history: History) -> dict[int, tuple[str, int | None]]:
    """Return each session's id, and the server that opened it, by its number."""
    return {
        number: (str(id), spans.opened_by(id))
        for id, number in history.number_of_session.items()
        if number >= 0
    }


def _rates(history: History, span_s: float) -> Json:
    found = rates.rates(history, span_s)
    at_s = found[0].at_s if found else np.zeros(0)
    return {"at_s": _listed(at_s, 3)} | {rate.what: _listed(rate.per_s, 2) for rate in found}


def _latencies(history: History, span_s: float) -> Iterator[Json]:
    """Yield the quantiles of each kind of call, broken where nothing was called for long."""
    longest_s = max(BREAK_S, 3 * rates.width_s(span_s, rates.QUANTILE_BINS))
    for latency in rates.latencies(history, span_s):
        breaks = np.flatnonzero(np.diff(latency.at_s) > longest_s) + 1
        middle_s = (latency.at_s[breaks - 1] + latency.at_s[breaks]) / 2
        yield {
            "what": latency.what,
            "at_s": _listed(np.insert(latency.at_s, breaks, middle_s), 3),
            "median": _listed(np.insert(latency.median_ms, breaks, np.nan), 2),
            "p99": _listed(np.insert(latency.p99_ms, breaks, np.nan), 2),
        }


def _depth(history: History, span_s: float) -> Json:
    depth = rates.depth(history, span_s)
    return {
        "at_s": _listed(depth.at_s, 3),
        "waiting": depth.waiting.tolist(),
        "held": depth.held.tolist(),
        "unknown": depth.unknown.tolist(),
    }


def _listed(numbers: NDArray[np.floating[Any]], digits: int) -> list[float | None]:
    """Return numbers as JSON has them, null for none."""
    return [None if np.isnan(n) else n for n in np.round(numbers, digits).tolist()]
