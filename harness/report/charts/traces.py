"""The traces of the picture: servers' modes, operations, sessions, witnesses, rates, latencies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history.columns import DONE, FAIL, INFO, OK, PUT, RELEASE, RESERVE, TAKE, History
from harness.report.charts import rates, spans
from harness.report.charts.lanes import Lanes

BREAK_S = 1.0  # a line across a longer time without calls would show latencies nobody measured
SHORTEST_DRAWN = 1 / 2000  # of the run: a shorter call is a tick, not a line
MODE_COLOURS = {
    "leader": "#15507a",
    "follower": "#8fc1e3",
    "observer": "#cfe3ef",
    "standalone": "#15507a",
    "looking": "#f0b429",
    "silent": "#b79ad6",
    "paused": "#7b4fb0",
    "down": "#5a5a5a",
}
COLOURS = {
    "put": "#0072b2",
    "reserve": "#b86e00",
    "delivered": "#b86e00",
    "take": "#b86e00",
    "done": "#00795a",
    "release": "#9a4f86",
    "found nothing": "#8a8a8a",
    "failed": "#c43e00",
    "unknown": "#000000",
    "witness": "#c00020",
}
_SYMBOLS = {"failed": "x-thin-open", "unknown": "diamond-open"}
_ROUND = 5

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where each lane stands on the y axis, from 0 at the top."""

    servers: Sequence[int]
    clients: Lanes

    def of_server(self, node: int) -> int:
        """Return the y position of a server."""
        return self.servers.index(node)

    def of_processes(self, processes: NDArray[Any]) -> NDArray[np.int64]:
        """Return the y positions of processes that are drawn."""
        lanes: NDArray[np.int64] = self.clients.of_process[processes] + len(self.servers)
        return lanes

    @property
    def labels(self) -> list[str]:
        """Return all lanes' names, from the top."""
        return [f"node {node}" for node in self.servers] + [x.label for x in self.clients.lanes]


def traces(
    history: History,
    place: Place,
    *,
    rows: NDArray[np.int64],
    witnesses: NDArray[np.int64],
    span_s: float,
) -> list[Json]:
    """Return the traces of a run that lasted `span_s`, of which `rows` are drawn."""
    return [
        *_modes(spans.modes(history), place),
        *_operations(history, rows, place, span_s),
        *_session_ends(history, place),
        *_witnesses(history, witnesses, place),
        *_rates(history, span_s),
        *_latencies(history, span_s),
    ]


def in_s(time_ns: int) -> float:
    """Return seconds, as exact as a picture needs."""
    return round(time_ns / 1e9, _ROUND)


def _modes(modes: Sequence[spans.Mode], place: Place) -> Iterator[Json]:
    for kind in dict.fromkeys(mode.mode for mode in modes):
        x, y = [], []
        for mode in modes:
            if mode.mode == kind and mode.node in place.servers:
                lane = place.of_server(mode.node)
                x += [in_s(mode.begin_ns), in_s(mode.end_ns), None]
                y += [lane, lane, None]
        colour = MODE_COLOURS.get(kind, "#888888")
        yield _trace(kind, x, y, mode="lines", line={"width": 14, "color": colour}, group="servers")


def _operations(
    history: History, rows: NDArray[np.int64], place: Place, span_s: float
) -> Iterator[Json]:
    for what, mask in _kinds(history, rows):
        chosen = rows[mask]
        if not len(chosen):
            continue
        begin_s = history.invoke_ns[chosen] / 1e9
        known = history.outcome[chosen] != INFO
        end_s = np.where(known, history.complete_ns[chosen] / 1e9, begin_s)
        y = place.of_processes(history.process[chosen])
        items = [history.values[v] if v >= 0 else "" for v in history.value[chosen].tolist()]
        took = [f"{ms:.1f} ms" for ms in ((end_s - begin_s) * 1e3).tolist()]
        colour = COLOURS[what]
        yield _trace(
            what,
            np.round(begin_s, _ROUND).tolist(),
            y.tolist(),
            mode="markers",
            marker={
                "symbol": _SYMBOLS.get(what, "line-ns-open"),
                "size": 9,
                "color": colour,
                "line": {"width": 1.5},
            },
            group="operations",
            customdata=[list(pair) for pair in zip(items, took, strict=True)],
            hovertemplate=f"{what} %{{customdata[0]}}<br>at %{{x}} s, took %{{customdata[1]}}",
        )
        yield from _long(what, begin_s, end_s, y, span_s)


def _long(
    what: str,
    begin_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    y: NDArray[np.int64],
    span_s: float,
) -> Iterator[Json]:
    """Yield lines for the calls that are long enough to show as one."""
    long = end_s - begin_s > span_s * SHORTEST_DRAWN
    if not long.any():
        return
    count = int(long.sum())
    x = np.column_stack([begin_s[long], end_s[long], np.full(count, np.nan)]).round(_ROUND).ravel()
    lane = np.repeat(y[long], 3).tolist()
    yield _trace(
        what,
        _listed(x, _ROUND),
        lane,
        mode="lines",
        line={"width": 5, "color": COLOURS[what]},
        opacity=0.55,
        group="operations",
        hoverinfo="skip",
    )


def _kinds(history: History, rows: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    f, outcome, empty = history.f[rows], history.outcome[rows], history.value[rows] < 0
    good = outcome == OK
    yield "found nothing", good & empty
    for what, kind in {
        "put": PUT,
        "reserve": RESERVE,
        "take": TAKE,
        "done": DONE,
        "release": RELEASE,
    }.items():
        yield what, good & ~empty & (f == kind)
    yield "failed", outcome == FAIL
    yield "unknown", outcome == INFO


def _session_ends(history: History, place: Place) -> Iterator[Json]:
    x, y, why = [], [], []
    for end in spans.session_ends(history):
        number = history.number_of_process.get(end.process) if end.process is not None else None
        if number is not None and place.clients.of_process[number] >= 0:
            x.append(in_s(end.time_ns))
            y.append(int(place.of_processes(np.array([number]))[0]))
            why.append(end.why)
    if x:
        marker = {"symbol": "triangle-right-open", "size": 10, "color": "#444444"}
        yield _trace(
            "session ended",
            x,
            y,
            mode="markers",
            marker=marker,
            group="operations",
            customdata=why,
            hovertemplate="session %{customdata} at %{x} s",
        )


def _witnesses(history: History, rows: NDArray[np.int64], place: Place) -> Iterator[Json]:
    rows = rows[place.clients.of_process[history.process[rows]] >= 0]
    if not len(rows):
        return
    yield _trace(
        "witness",
        np.round(history.invoke_ns[rows] / 1e9, _ROUND).tolist(),
        place.of_processes(history.process[rows]).tolist(),
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 16,
            "color": COLOURS["witness"],
            "line": {"width": 2.5},
        },
        group="operations",
        customdata=[history.values[v] if v >= 0 else "" for v in history.value[rows].tolist()],
        hovertemplate="witness: item %{customdata}<br>at %{x} s",
    )


def _rates(history: History, span_s: float) -> Iterator[Json]:
    for rate in rates.rates(history, span_s):
        yield _trace(
            f"{rate.what} per second",
            np.round(rate.at_s, 3).tolist(),
            np.round(rate.per_s, 2).tolist(),
            mode="lines",
            line={"width": 1.5, "color": COLOURS[rate.what], "shape": "hvh"},
            group="rates",
            yaxis="y2",
        )


def _latencies(history: History, span_s: float) -> Iterator[Json]:
    for latency in rates.latencies(history, span_s):
        breaks = _breaks(latency.at_s, max(BREAK_S, 3 * rates.width_s(span_s)))
        colour = COLOURS[latency.what]
        at_s = np.insert(latency.at_s, breaks, np.nan)
        for name, ms, dash in (
            ("median", latency.median_ms, "solid"),
            ("slowest", latency.worst_ms, "dot"),
        ):
            yield _trace(
                f"{latency.what} {name}",
                _listed(at_s, 3),
                _listed(np.insert(ms, breaks, np.nan), 2),
                mode="lines+markers",
                line={"width": 1.5, "color": colour, "dash": dash},
                marker={"size": 3},
                group="latencies",
                yaxis="y3",
                hovertemplate="%{y} ms",
            )


def _breaks(at_s: NDArray[np.floating[Any]], longest_s: float) -> NDArray[np.int64]:
    """Return the points before which a line is broken: those more than `longest_s` later."""
    return np.flatnonzero(np.diff(at_s) > longest_s) + 1


def _listed(numbers: NDArray[np.floating[Any]], digits: int) -> list[float | None]:
    """Return numbers as JSON has them, null for none."""
    return [None if np.isnan(n) else n for n in np.round(numbers, digits).tolist()]


def _trace(name: str, x: list[Any], y: list[Any], *, group: str, **settings: Any) -> Json:
    return {
        "type": "scatter",
        "name": name,
        "x": x,
        "y": y,
        "meta": group,
        "hoverinfo": "x+name",
        **settings,
    }
