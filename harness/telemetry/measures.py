"""Metrics of a run from the events of its history."""

from collections import Counter
from typing import Any

from opentelemetry.metrics import Meter

from harness.history.note_shapes import NEMESIS
from harness.history.record import OPERATIONS, Event, Value
from harness.telemetry.run_spans import is_empty


class Measures:
    """Counts calls, faults and servers; docs/observing-runs.md lists the names."""

    def __init__(self, meter: Meter) -> None:
        self._calls = meter.create_counter("harness.calls", description="Calls of clients.")
        self._took = meter.create_histogram("harness.call.duration", "s", "How long calls took.")
        self._faults = meter.create_counter("harness.faults", description="Injections.")
        self._in_force = meter.create_up_down_counter("harness.faults.in_force")
        self._servers = meter.create_gauge("harness.servers", description="Servers by mode.")
        self._begun: dict[Value, int] = {}
        self._lasting: dict[int, str] = {}
        self._modes: set[str] = set()

    def add(self, event: Event) -> None:
        """Count one event."""
        if event.f in OPERATIONS:
            self._call(event)
        elif event.process == NEMESIS:
            self._fault(event.f, event.value)
        elif event.f == "status":
            seen = Counter(event.value.values())
            self._modes |= set(seen)
            for mode in self._modes:
                self._servers.set(seen[mode], {"mode": mode})

    def _call(self, event: Event) -> None:
        if event.type == "invoke":
            self._begun[event.process] = event.time_ns
            return
        began_ns = self._begun.pop(event.process, None)
        about = {"f": event.f, "outcome": "empty" if is_empty(event) else event.type}
        self._calls.add(1, about)
        if began_ns is not None:
            self._took.record((event.time_ns - began_ns) / 1e9, about)

    def _fault(self, kind: str, value: dict[str, Any]) -> None:
        if value["phase"] == "inject":
            self._faults.add(1, {"fault": kind, "outcome": value["outcome"]})
            if value["outcome"] == "installed":
                self._lasting[value["id"]] = kind
                self._in_force.add(1, {"fault": kind})
        elif (lasting := self._lasting.pop(value["id"], None)) is not None:
            self._in_force.add(-1, {"fault": lasting})
