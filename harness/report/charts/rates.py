"""Rates and latencies over time, in at most BINS stretches."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history.columns import DONE, FAIL, INFO, OK, PUT, RESERVE, TAKE, History

BINS = 400
NARROWEST_S = 0.1
_NICE_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_CALLS = {"put": PUT, "reserve": RESERVE, "take": TAKE, "done": DONE}
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRate:
    """Calls a second in each stretch; `at_s` is its middle."""

    what: str
    at_s: Floats
    per_s: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLatency:
    """Median and worst latency of the calls of one kind that began in each stretch, in ms.

    Stretches in which none began are left out.
    """

    what: str
    at_s: Floats
    median_ms: Floats
    worst_ms: Floats


def width_s(span_s: float) -> float:
    """Return the width of a stretch, a round number."""
    return next((nice for nice in _NICE_S if span_s / nice <= BINS), _NICE_S[-1])


def rates(history: History, span_s: float) -> list[CallRate]:
    """Return calls by when they ended well or badly (unknown ones: by when they began)."""
    width = width_s(span_s)
    edges = np.arange(0, span_s + width, width)
    first_parts = history.part == 0
    found = []
    for what, mask in {
        "put": history.is_(PUT, OK),
        "delivered": history.got(OK) & (history.value >= 0),
        "done": history.is_(DONE, OK),
        "failed": (history.outcome == FAIL) & first_parts,
        "unknown": (history.outcome == INFO) & first_parts,
    }.items():
        at_ns = np.where(history.outcome == INFO, history.invoke_ns, history.complete_ns)[mask]
        if len(at_ns):
            counts = np.histogram(at_ns / 1e9, edges)[0]
            found.append(CallRate(what=what, at_s=edges[:-1] + width / 2, per_s=counts / width))
    return found


def latencies(history: History, span_s: float) -> list[CallLatency]:
    """Return the latencies of the calls that succeeded and, for reserves, found something."""
    width = width_s(span_s)
    counted = (history.outcome == OK) & (history.part == 0) & (history.value >= 0)
    found = []
    for what, f in _CALLS.items():
        rows = np.flatnonzero(counted & (history.f == f))
        if len(rows):
            took_ms = (history.complete_ns[rows] - history.invoke_ns[rows]) / 1e6
            found.append(_latency(what, history.invoke_ns[rows] / 1e9, took_ms, width))
    return found


def _latency(what: str, begun_s: Floats, took_ms: Floats, width: float) -> CallLatency:
    stretch = (begun_s / width).astype(np.int64)
    order = np.lexsort((took_ms, stretch))
    sorted_ms = took_ms[order]
    numbers, starts, sizes = np.unique(stretch[order], return_index=True, return_counts=True)
    return CallLatency(
        what=what,
        at_s=(numbers + 0.5) * width,
        median_ms=sorted_ms[starts + (sizes - 1) // 2],
        worst_ms=sorted_ms[starts + sizes - 1],
    )
