"""Errors of calls that did not succeed. Only history.jsonl has their texts."""

from bisect import bisect_right
from pathlib import Path

import msgspec
import numpy as np

from harness.common import files
from harness.common.harness_errors import ScenarioError
from harness.history.columns import OK, History, Ints
from harness.history.record import DECODE_ERRORS, Event, Value

MOST_CHARACTERS = 300


def read(path: Path, history: History, rows: Ints) -> dict[str, str]:
    """Return, by the index of their invocation, what these calls raised. O(size of the file).

    Only lines with an error are decoded. A file that cannot be read tells nothing.
    """
    wanted = rows[history.outcome[rows] != OK]
    if not len(wanted):
        return {}
    told = _told(path)
    calls = {
        number: np.unique(history.index[history.process == number])
        for number in np.unique(history.process[wanted]).tolist()
    }
    found = {}
    for row in wanted.tolist():
        number, index = int(history.process[row]), int(history.index[row])
        places, texts = told.get(history.processes[number], ([], []))
        after = bisect_right(places, index)
        later = calls[number][calls[number] > index]  # an error after its next call is not its own
        if after < len(places) and (not len(later) or places[after] < later[0]):
            found[str(index)] = texts[after]
    return found


def _told(path: Path) -> dict[Value, tuple[list[int], list[str]]]:
    """Return, by process, the indices of its lines with an error, in order, and the errors."""
    decoder = msgspec.json.Decoder(Event)
    told: dict[Value, tuple[list[int], list[str]]] = {}
    try:
        with files.open_regular(path, "history") as lines:
            for line in lines:
                if b'"error":"' not in line or b'"type":"invoke"' in line:
                    continue
                try:
                    event = decoder.decode(line)
                except DECODE_ERRORS:
                    continue
                if isinstance(event.error, str) and isinstance(event.index, int):
                    places, texts = told.setdefault(event.process, ([], []))
                    places.append(event.index)
                    texts.append(event.error[:MOST_CHARACTERS])
    except (OSError, ScenarioError):
        return told
    return told
