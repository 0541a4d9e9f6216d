"""The lives of single items: every call about them, and where they were at the end."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from harness.history.columns import INFO, OUTCOMES, History
from harness.history.record import OPERATIONS, Value
from harness.report.charts import sample, spans

MOST_ROWS = 40_000


def tell(
    history: History, results: Mapping[str, Any], asked: Iterable[Value], *, limit: int = MOST_ROWS
) -> dict[str, Any]:
    """Return the lives of witnesses' items, of `asked` ones, and of others up to `limit` rows.

    JSON-ready: `lives` has, by item, its rows in order of invocation as
    [index, f, outcome, invoke_s, complete_s, process, zxid, delivery]; `processes` has, by
    process, its registration; `places` has, by item still there at the end, node -> place.
    `whole` tells whether every item is in it.
    """
    named = sample.witness_values(results)
    values = sample.values_to_tell(history, [*named, *asked], limit)
    numbers = np.array([history.number_of[value] for value in values], np.int64)
    rows = np.flatnonzero(np.isin(history.value, numbers))
    lives: dict[str, list[list[Any]]] = {str(value): [] for value in values}
    for row in rows.tolist():
        lives[str(history.values[history.value[row]])].append(_row(history, row))
    return {
        "lives": lives,
        "processes": _processes(history, rows),
        "places": _places(history, lives),
        "witnesses": [str(value) for value in named if value in history.number_of],
        "whole": len(values) == len(history.values),
    }


def _row(history: History, row: int) -> list[Any]:
    unknown = history.outcome[row] == INFO
    return [
        int(history.index[row]),
        OPERATIONS[history.f[row]],
        OUTCOMES[history.outcome[row]],
        round(int(history.invoke_ns[row]) / 1e9, 6),
        None if unknown else round(int(history.complete_ns[row]) / 1e9, 6),
        history.processes[history.process[row]],
        int(history.zxid[row]) if history.zxid[row] >= 0 else None,
        int(history.delivery[row]) or None,
    ]


def _processes(history: History, rows: Any) -> dict[str, dict[str, Any]]:
    """Return the registrations of the processes of these rows, and who opened their sessions."""
    told = {}
    for number in np.unique(history.process[rows]).tolist():
        known = history.registrations.get(number, {})
        names = {kind: names[-1] for kind, names in known.items()}
        opened_by = spans.opened_by(names.get("session"))
        told[str(history.processes[number])] = names | {"opened_by": opened_by}
    return told


def _places(history: History, lives: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    places: dict[str, dict[str, str]] = {}
    for tree in spans.trees(history):
        for place, values in tree.get("places", {}).items():
            for value in values:
                if str(value) in lives:
                    places.setdefault(str(value), {})[str(tree["node"])] = place
    return places
