"""What a simulated run records: lines in the files of their writers, merged as the harness does."""

from random import Random
from typing import Any, Literal

from harness.history.columns import History

Zxids = Literal["on", "off", "half"]


class Lines:
    """The files, and the clock that stamps their lines; `zxids` says how many answers tell one."""

    def __init__(self, rng: Random, zxids: Zxids) -> None:
        self.now_ns = 0
        self._rng = rng
        self._chance = {"on": 1.0, "off": 0.0, "half": 0.5}[zxids]
        self._lines: list[tuple[int, str, int, dict[str, Any]]] = []

    def write(self, file: str, event: dict[str, Any]) -> None:
        """Append a line to one file, as the worker does whose file it is."""
        event.setdefault("time_ns", self.now_ns)
        self._lines.append((event["time_ns"], file, len(self._lines), event))

    def note(self, file: str, f: str, *, process: int | str = "harness", **value: Any) -> None:
        """Append a note."""
        self.write(file, {"process": process, "type": "info", "f": f, "value": value})

    def told(self, zxid: int) -> int | None:
        """Return the zxid if this answer tells it."""
        return zxid if self._rng.random() < self._chance else None

    def history(self) -> History:
        """Merge the files: by time, then by file, as `record.merge` does."""
        merged = sorted(self._lines, key=lambda line: line[:3])
        return History.from_events([event for *_, event in merged])


def batched(values: list[int], deliveries: list[int] | None = None) -> dict[str, Any]:
    """Return how one value, or several, stand in an event."""
    told: dict[str, Any] = {"value": values[0] if len(values) == 1 else list(values)}
    if deliveries is not None:
        told["delivery"] = deliveries[0] if len(values) == 1 else deliveries
    return told
