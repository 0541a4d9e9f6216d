"""Rates, latencies and the queue's depth over time, in at most BINS stretches."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.history.columns import (
    DONE,
    FAIL,
    INFO,
    NEVER_NS,
    OK,
    PUT,
    RESERVE,
    TAKE,
    History,
    Ints,
    Mask,
)

BINS = 400
QUANTILE_BINS = 80  # wider stretches than of rates: a quantile of three calls is noise
LEAST_FOR_MEDIAN, LEAST_FOR_P99 = 5, 100
NARROWEST_S = 0.1
_NICE_S = (
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    14_400.0,
)
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
    """Quantiles of the latency of the calls of one kind that began in each stretch, in ms.

    NaN where a stretch has too few calls: the median needs LEAST_FOR_MEDIAN, p99 LEAST_FOR_P99.
    """

    what: str
    at_s: Floats
    median_ms: Floats
    p99_ms: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many items and calls were open at each of the times `at_s`.

    Attributes:
        waiting: items whose put was acknowledged and that were not yet delivered for the first
            time. A lost item waits for ever.
        held: items delivered and not done since.
        unknown: calls of unknown outcome that had begun.
    """

    at_s: Floats
    waiting: Ints
    held: Ints
    unknown: Ints


def width_s(span_s: float, bins: int = BINS) -> float:
    """Return the width of a stretch, a round number."""
    return next((nice for nice in _NICE_S if span_s / nice <= bins), _NICE_S[-1])


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
    width = width_s(span_s, QUANTILE_BINS)
    counted = (history.outcome == OK) & (history.part == 0) & (history.value >= 0)
    found = []
    for what, f in _CALLS.items():
        rows = np.flatnonzero(counted & (history.f == f))
        if len(rows):
            took_ms = (history.complete_ns[rows] - history.invoke_ns[rows]) / 1e6
            found.append(_latency(what, history.invoke_ns[rows] / 1e9, took_ms, width))
    return found


def depth(history: History, span_s: float) -> Depth:
    """Return the queue's depth at the end of each stretch. O(n log n)."""
    width = width_s(span_s)
    at_s = np.arange(0, span_s + width, width)
    put = _first_ns(history, history.is_(PUT, OK))
    got = _first_ns(history, history.got(OK))
    done = _first_ns(history, history.is_(DONE, OK) | history.is_(TAKE, OK))
    known = put < NEVER_NS
    unknown = history.invoke_ns[(history.outcome == INFO) & (history.part == 0)]
    return Depth(
        at_s=at_s,
        waiting=_until(put[known], at_s) - _until(np.maximum(put, got)[known], at_s),
        held=_until(got, at_s) - _until(np.maximum(got, done), at_s),
        unknown=_until(unknown, at_s),
    )


def _first_ns(history: History, mask: Mask) -> Ints:
    """Return, by item, when the first of these rows was answered; NEVER_NS if none was."""
    first = np.full(len(history.values), NEVER_NS, np.int64)
    rows = np.flatnonzero(mask & (history.value >= 0))
    np.minimum.at(first, history.value[rows], history.complete_ns[rows])
    return first


def _until(moments_ns: Ints, at_s: Floats) -> Ints:
    """Return how many of the moments were up to each time."""
    counts: Ints = np.searchsorted(np.sort(moments_ns) / 1e9, at_s, side="right")
    return counts


def _latency(what: str, begun_s: Floats, took_ms: Floats, width: float) -> CallLatency:
    stretch = (begun_s / width).astype(np.int64)
    order = np.lexsort((took_ms, stretch))
    sorted_ms = took_ms[order]
    numbers, starts, sizes = np.unique(stretch[order], return_index=True, return_counts=True)
    median = sorted_ms[starts + (sizes - 1) // 2]
    p99 = sorted_ms[starts + (99 * sizes + 99) // 100 - 1]
    return CallLatency(
        what=what,
        at_s=(numbers + 0.5) * width,
        median_ms=np.where(sizes >= LEAST_FOR_MEDIAN, median, np.nan),
        p99_ms=np.where(sizes >= LEAST_FOR_P99, p99, np.nan),
    )
