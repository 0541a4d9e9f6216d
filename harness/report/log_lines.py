"""What the servers logged, on the run's own time axis, for the calls that a reader picks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from harness.common import files, run_clock
from harness.common.harness_errors import ScenarioError
from harness.common.run_folder import RunFolder
from harness.history.columns import History
from harness.history.record import WALL_CLOCK
from harness.report.charts import spans

AROUND_S = 1.0
MOST_LINES, MOST_CHARACTERS, MOST_BYTES = 4_000, 240, 1 << 26
_NAME = re.compile(r"node-(\d+)\.log")
_STAMPED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[,.](\d{3}) (.*)$", re.DOTALL)
_LOOKS = re.compile(r"Processing (srvr|stat|mntr|ruok|isro) command")  # the harness's own questions
_FRAME = re.compile(r"^\s+(at |\.\.\. \d+ more)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedLine:
    """One message of a server; `at_s` since the start of the run, by that server's own clock."""

    at_s: float
    node: int
    text: str


def tell(history: History, folder: RunFolder, important_s: Sequence[float]) -> dict[str, Any]:
    """Return the servers' messages, JSON-ready; those near `important_s` first if there are many.

    `lines` has [at_s, node, text] in order of time; `left_out` how many have no room; `moved` the
    nodes whose clock a fault moved, so that their times are off; `why` why there are none.
    """
    began = began_at(history)
    if began is None:
        return {"lines": [], "left_out": 0, "moved": [], "why": "this run did not record its date"}
    end_s = spans.end_ns(history) / 1e9
    found = [
        line for line in _all(folder.logs, began) if -AROUND_S <= line.at_s <= end_s + AROUND_S
    ]
    kept = sorted(_chosen(found, important_s), key=lambda line: (line.at_s, line.node))
    return {
        "lines": [[round(line.at_s, 3), line.node, line.text] for line in kept],
        "left_out": len(found) - len(kept),
        "moved": sorted(_moved(history)),
        "why": "" if found else "no server's log is in the run's folder",
    }


def began_at(history: History) -> datetime | None:
    """Return the date at which the run's clock stood at 0; None if it was not recorded."""
    for note in history.notes_named(WALL_CLOCK):
        value = note.value if isinstance(note.value, Mapping) else {}
        if (noted := run_clock.moment(value.get("utc"))) is not None:
            return noted - timedelta(microseconds=note.time_ns / 1000)
    return None


def _all(logs: Path, began: datetime) -> Iterator[LoggedLine]:
    for path in sorted(logs.glob("node-*.log")):
        if (name := _NAME.fullmatch(path.name)) is None:
            continue
        try:
            text = files.read(path, "log", at_most=MOST_BYTES).decode(errors="replace")
        except ScenarioError:
            continue  # the others may still tell something
        yield from _parsed(text, int(name[1]), began)


def _parsed(text: str, node: int, began: datetime) -> Iterator[LoggedLine]:
    """Yield the messages; an exception's class stands behind its message, its frames do not."""
    kept = [line for line in text.splitlines() if not _FRAME.match(line)]
    for line, after in pairwise([*kept, ""]):
        if (stamped := _STAMPED.match(line)) is None or _LOOKS.search(line):
            continue
        try:
            at = datetime.fromisoformat(f"{stamped[1]}.{stamped[2]}+00:00")
        except ValueError:
            continue
        more = f" | {after}" if after and not _STAMPED.match(after) else ""
        told = f"{stamped[3]}{more}"[:MOST_CHARACTERS]
        yield LoggedLine(at_s=(at - began).total_seconds(), node=node, text=told)


def _chosen(found: Sequence[LoggedLine], important_s: Sequence[float]) -> list[LoggedLine]:
    """Return all, or MOST_LINES: those nearest to an important moment."""
    if len(found) <= MOST_LINES:
        return list(found)
    at_s = np.array([line.at_s for line in found])
    moments_s = np.sort(np.array([*important_s, -np.inf, np.inf]))
    after = np.searchsorted(moments_s, at_s)
    away_s = np.minimum(moments_s[np.minimum(after, len(moments_s) - 1)] - at_s, np.inf)
    away_s = np.minimum(away_s, at_s - moments_s[np.maximum(after - 1, 0)])
    nearest = np.argsort(away_s, kind="stable")[:MOST_LINES]
    return [found[place] for place in nearest.tolist()]


def _moved(history: History) -> set[int]:
    return {
        node
        for note in history.notes
        if note.process == "nemesis" and note.f.startswith("clock")
        for node in note.value["nodes"]
    }
