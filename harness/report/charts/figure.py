"""The picture of a run: servers, clients, rates and latencies over one time axis, faults shaded.

A figure is a plain mapping in plotly's JSON; the page draws it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import words
from harness.faults import faults
from harness.history.columns import History
from harness.report.charts import lanes, rates, sample, spans
from harness.report.charts.traces import COLOURS, Json, Place, in_s, traces

MOST_OPERATIONS = 5_000
MARGIN = 0.01  # of the run, at both ends
CHARACTER = 1 / 120  # of the width, of a name over the plots
_LATENCY_TICKS = (0.01, 0.1, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
LANE_PX, PLOT_PX, GAP_PX = 24, 150, 46
LEADER_ROW_PX, FAULT_ROWS_PX, TOP_PX = 4, (20, 36), 66  # the rows of names over the lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure and what its words say.

    Attributes:
        figure: `data` and `layout` of plotly.
        drawn, operations: how many operations are drawn, and how many there were.
        clients_left_out: clients that are not drawn.
    """

    figure: Json
    drawn: int
    operations: int
    clients_left_out: int


def draw(history: History, results: Mapping[str, Any]) -> Picture:
    """Draw a run. O(n log n)."""
    witnesses = sample.witness_rows(history, results)
    clients = lanes.of_clients(history, witnesses)
    rows = sample.rows_to_draw(history, witnesses, MOST_OPERATIONS)
    rows = rows[clients.of_process[history.process[rows]] >= 0]
    servers = sorted({mode.node for mode in spans.modes(history)})
    place = Place(servers=servers, clients=clients)
    span_s = max(spans.end_ns(history) / 1e9, rates.NARROWEST_S)
    data = traces(history, place, rows=rows, witnesses=np.flatnonzero(witnesses), span_s=span_s)
    return Picture(
        figure={"data": data, "layout": _layout(history, results["faults"], place, span_s)},
        drawn=len(rows),
        operations=len(history),
        clients_left_out=clients.left_out,
    )


def _layout(
    history: History, hurt: Sequence[Mapping[str, Any]], place: Place, span_s: float
) -> Json:
    lanes_px = LANE_PX * max(1, len(place.labels))
    total_px = lanes_px + 2 * (PLOT_PX + GAP_PX)

    def domain(top_px: int, height_px: int) -> list[float]:
        return [round(1 - (top_px + height_px) / total_px, 5), round(1 - top_px / total_px, 5)]

    second_px, third_px = lanes_px + GAP_PX, lanes_px + 2 * GAP_PX + PLOT_PX
    leaders = spans.leader_changes(history)[1:]  # the first one led when the run began
    return {
        "height": total_px + TOP_PX + 50,
        "margin": {"l": 10, "r": 10, "t": TOP_PX, "b": 50},
        "xaxis": {
            "title": {"text": "seconds since the start of the run"},
            "range": [round(-span_s * MARGIN, 4), round(span_s * (1 + MARGIN), 4)],
            "anchor": "y3",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "zeroline": False,
        },
        "yaxis": _lane_axis(place, domain(0, lanes_px)),
        "yaxis2": _axis("calls per second", domain(second_px, PLOT_PX), rangemode="tozero"),
        "yaxis3": _axis(
            "latency, ms", domain(third_px, PLOT_PX), type="log", tickvals=_LATENCY_TICKS
        ),
        "shapes": [*_shaded(hurt, place, span_s), *_leader_lines(leaders)],
        "annotations": [*_fault_names(hurt, span_s), *_leader_names(leaders, span_s)],
        "showlegend": False,
        "dragmode": "zoom",
        "hovermode": "closest",
        "plot_bgcolor": "#ffffff",
        "paper_bgcolor": "#ffffff",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1c2733"},
    }


def _axis(title: str, domain: list[float], **settings: Any) -> Json:
    return {
        "title": {"text": title},
        "domain": domain,
        "automargin": True,
        "gridcolor": "#e6eaee",
        "zeroline": False,
        "fixedrange": True,
        **settings,
    }


def _lane_axis(place: Place, domain: list[float]) -> Json:
    count = len(place.labels)
    return {
        "domain": domain,
        "automargin": True,
        "tickvals": list(range(count)),
        "ticktext": place.labels,
        "range": [count - 0.4, -0.6],
        "fixedrange": True,
        "gridcolor": "#eef1f4",
        "zeroline": False,
    }


def _shaded(hurt: Sequence[Mapping[str, Any]], place: Place, span_s: float) -> Iterator[Json]:
    """Yield a band over all plots for each fault that bit, and a frame on each node it hit."""
    for fault in hurt:
        if fault["outcome"] != "installed":
            continue
        x0 = in_s(fault["inject_ns"])
        x1 = _over_s(fault, span_s)
        band = {"type": "rect", "xref": "x", "x0": x0, "x1": x1}
        yield band | {
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "fillcolor": "#c00020",
            "opacity": 0.08,
            "line": {"width": 0},
            "layer": "below",
        }
        for node in fault["nodes"]:
            if node in place.servers:
                lane = place.of_server(node)
                frame = {"width": 2, "color": COLOURS["witness"]}
                yield band | {"yref": "y", "y0": lane - 0.42, "y1": lane + 0.42, "line": frame}


def _over_s(fault: Mapping[str, Any], span_s: float) -> float:
    """Return when a fault was over: healed, or done with at once, or else the run's end."""
    if fault["heal_ns"] is not None:
        return in_s(fault["heal_ns"])
    if fault["fault"] in faults and not faults[fault["fault"]].lasting:
        return in_s(fault["inject_ns"] + 1_000_000 * fault["evidence"].get("took_ms", 0))
    return round(span_s, 3)


def _fault_names(hurt: Sequence[Mapping[str, Any]], span_s: float) -> Iterator[Json]:
    named = [
        (in_s(f["inject_ns"]), f"{f['name']} {','.join(map(str, f['nodes']))}")
        for f in hurt
        if f["outcome"] == "installed"
    ]
    yield from _above(named, FAULT_ROWS_PX, "#8a0018", span_s)


def _leader_lines(leaders: Sequence[tuple[int, int]]) -> Iterator[Json]:
    for time_ns, _ in leaders:
        at = {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": in_s(time_ns),
            "x1": in_s(time_ns),
        }
        yield at | {"y0": 0, "y1": 1, "line": {"width": 1, "dash": "dash", "color": "#15507a"}}


def _leader_names(leaders: Sequence[tuple[int, int]], span_s: float) -> Iterator[Json]:
    named = [(in_s(at_ns), f"{words.nodes([node])} leads") for at_ns, node in leaders]
    yield from _above(named, (LEADER_ROW_PX,), "#15507a", span_s)


def _above(
    named: Sequence[tuple[float, str]], rows_px: Sequence[int], colour: str, span_s: float
) -> Iterator[Json]:
    """Yield the names over the plots, in the first row where they hide none; lanes tell all."""
    free_s = dict.fromkeys(rows_px, 0.0)
    for at_s, text in named:
        row_px = next((row_px for row_px, since_s in free_s.items() if since_s <= at_s), None)
        if row_px is None:
            continue
        free_s[row_px] = at_s + span_s * CHARACTER * len(text)
        yield {
            "x": at_s,
            "xref": "x",
            "y": 1,
            "yref": "paper",
            "text": text,
            "showarrow": False,
            "xanchor": "left",
            "yanchor": "bottom",
            "yshift": row_px,
            "font": {"size": 11, "color": colour},
        }
