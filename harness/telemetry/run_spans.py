"""Spans of a run from the events of its history: pure, and without OpenTelemetry.

The run is one trace: its root, its phases, its faults, and calls of no item that went wrong. The
life of an item is a trace of its own, whose root is its put: a trace with a hundred thousand spans
could be opened by no viewer.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import UNSET

from harness.history.note_shapes import NEMESIS
from harness.history.record import OPERATIONS, PHASE, Event, Value

Attributes = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanPlace:
    """Where a span stands: its trace, and itself in it. The same run gives the same numbers."""

    trace: int
    span: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """One span; times are those of the run's clock.

    Attributes:
        error: what went wrong; None if nothing did.
    """

    name: str
    begin_ns: int
    end_ns: int
    place: SpanPlace
    parent: SpanPlace | None = None
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None


class Spans:
    """Makes the spans of one run, in the order in which they end.

    Args:
        run: its name, different for each run.
        scenario: what its root span is called.
    """

    def __init__(self, run: str, scenario: str) -> None:
        self._run, self._scenario = run, scenario
        self._root = _place(run, "run", "run")
        self._calls: dict[Value, Event] = {}
        self._faults: dict[int, Event] = {}
        self._made = 0
        self._first_ns: int | None = None
        self._last_ns = self._phase_ns = 0

    def add(self, event: Event) -> Iterator[RunSpan]:
        """Yield the spans that end with this event."""
        if self._first_ns is None:
            self._first_ns = event.time_ns
        self._last_ns = max(self._last_ns, event.time_ns)
        if event.f in OPERATIONS:
            yield from self._operation(event)
        elif event.process == NEMESIS:
            yield from self._fault(event)
        elif event.f == PHASE and event.value["event"] == "end":
            yield self._child(f"phase {event.value['number'] + 1}", self._phase_ns, event.time_ns)
            self._phase_ns = event.time_ns

    def end(self, results: Mapping[str, Any]) -> Iterator[RunSpan]:
        """Yield what is still open, then the root with the verdict of `results.json`, if any."""
        for call in self._calls.values():
            yield self._call(call, call, "no completion recorded")
        for fault in self._faults.values():
            yield self._of_fault(fault, self._last_ns)
        verdict = results.get("verdict")
        counts = results.get("counts", {})
        told: Attributes = {
            f"harness.{k}": v for k, v in counts.items() if isinstance(v, int | float)
        }
        if verdict is not None:
            told["harness.verdict"] = str(verdict)
        wrong = None if results.get("as_expected") else f"verdict: {verdict or 'none'}"
        yield RunSpan(
            name=f"run {self._scenario}",
            begin_ns=self._first_ns or 0,
            end_ns=self._last_ns,
            place=self._root,
            attributes=told,
            error=wrong,
        )

    def _operation(self, event: Event) -> Iterator[RunSpan]:
        if event.type == "invoke":
            self._calls[event.process] = event
            return
        call = self._calls.pop(event.process, None)
        if call is None or is_empty(event):
            return  # a look at an empty queue is counted, not traced: there are many
        wrong = None if event.type == "ok" else f"{event.type}: {event.error or 'no answer'}"
        yield self._call(call, event, wrong)

    def _call(self, call: Event, answer: Event, wrong: str | None) -> RunSpan:
        values = values_of(answer) or values_of(call)
        about: Attributes = {"harness.process": str(call.process), "harness.outcome": answer.type}
        if values:
            about["harness.value"] = ",".join(map(str, values))
        if isinstance(answer.delivery, int):
            about["harness.delivery"] = answer.delivery
        if answer.attempts is not UNSET:
            about["harness.attempts"] = answer.attempts
        times = {"begin_ns": call.time_ns, "end_ns": max(call.time_ns, answer.time_ns)}
        if not values:
            return self._child(call.f, **times, attributes=about, error=wrong)
        put = _place(self._run, f"item {values[0]}", "put")
        mine = put if call.f == "put" else self._next(put)
        return RunSpan(
            name=call.f,
            **times,
            place=mine,
            parent=None if call.f == "put" else put,
            attributes=about,
            error=wrong,
        )

    def _fault(self, event: Event) -> Iterator[RunSpan]:
        value = event.value
        if value["phase"] == "inject" and value["outcome"] != "skipped":
            self._faults[value["id"]] = event
        elif (begun := self._faults.pop(value["id"], None)) is not None:
            yield self._of_fault(begun, event.time_ns)

    def _of_fault(self, begun: Event, end_ns: int) -> RunSpan:
        value = begun.value
        about: Attributes = {
            "harness.fault.name": value["name"],
            "harness.fault.outcome": value["outcome"],
            "harness.fault.nodes": ",".join(map(str, value["nodes"])),
        }
        wrong = None if value["outcome"] == "installed" else value["outcome"]
        return self._child(begun.f, begun.time_ns, end_ns, attributes=about, error=wrong)

    def _child(self, name: str, begin_ns: int, end_ns: int, **more: Any) -> RunSpan:
        """Return a span below the run's root."""
        return RunSpan(
            name=name,
            begin_ns=begin_ns,
            end_ns=max(begin_ns, end_ns),
            place=self._next(self._root),
            parent=self._root,
            **more,
        )

    def _next(self, beside: SpanPlace) -> SpanPlace:
        self._made += 1
        return SpanPlace(trace=beside.trace, span=_number(8, self._run, str(self._made)))


def values_of(event: Event) -> list[Value]:
    """Return the items that a call is about; none if it names none."""
    value = event.value
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def is_empty(event: Event) -> bool:
    """Tell whether a call found nothing to take."""
    return event.type == "ok" and event.f in {"reserve", "take"} and not values_of(event)


def _place(run: str, trace: str, span: str) -> SpanPlace:
    return SpanPlace(trace=_number(16, run, trace), span=_number(8, run, trace, span))


def _number(size: int, *names: str) -> int:
    """Return a number of so many bytes that names a thing, never 0, which would name none."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return int.from_bytes(digest[:size], "big") or 1
