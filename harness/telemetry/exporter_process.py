"""The process that sends a run to a collector: `python -m harness.telemetry.exporter_process`.

It reads what the run's processes write to disk, so it costs them no call, and nothing that a
collector does can slow or fail the run. The harness writes one line of JSON (a Task) to standard
input, and closes it when the run is judged. Lines on standard output are for the terminal.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from harness.common import run_clock
from harness.history.record import DECODE_ERRORS, WALL_CLOCK, Event
from harness.telemetry.measures import Measures
from harness.telemetry.otlp import Collector
from harness.telemetry.run_spans import Spans
from harness.telemetry.tail import Tail

NICE = 10  # the run comes first
POLL_S = 0.5
AGAIN_S = 2.0  # how soon a collector is tried again that took nothing


class Export(msgspec.Struct, kw_only=True, frozen=True):
    """What to send where.

    Attributes:
        parts: the folder of the run's histories.
        results: its results.json, once it is judged.
        timeout_s: how long a request may take; and what is left once the run is over, twice that.
        run: its name, different for each run.
    """

    url: str
    parts: str
    results: str
    run: str
    scenario: str
    seed: int
    timeout_s: float

    @property
    def about(self) -> dict[str, str]:
        """Return what all spans and metrics of the run have in common."""
        return {
            "service.name": "harness",
            "service.instance.id": self.run,
            "harness.scenario": self.scenario,
            "harness.seed": str(self.seed),
        }


def main() -> None:
    """Read the task, and send what the run writes until it is over."""
    os.nice(NICE)
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Export)
    over = threading.Event()
    threading.Thread(target=_await_end, args=(over,), daemon=True).start()
    _Sending(task, over).run()
    sys.stdout.flush()
    os._exit(0)  # an exporter's thread may still wait for its collector


def _await_end(over: threading.Event) -> None:
    sys.stdin.buffer.read()
    over.set()


class _Sending:
    """What is sent of one run."""

    def __init__(self, task: Export, over: threading.Event) -> None:
        self._task, self._over = task, over
        self._tail = Tail(Path(task.parts))
        self._spans = Spans(task.run, task.scenario)

    def run(self) -> None:
        """Send until the run is over, and then for a few seconds what is left."""
        early: list[Event] = []
        while (epoch_ns := _epoch_ns(early)) is None:
            ended = self._over.wait(POLL_S)
            early += self._tail.read()
            if ended and _epoch_ns(early) is None:
                return  # it ended before its servers were up: nothing happened
        url = self._task.url
        collector = Collector(
            url,
            self._task.about,
            epoch_ns=epoch_ns,
            timeout_s=self._task.timeout_s,
            complain=self._complain,
        )
        measures = Measures(collector.meter)
        self._feed(early, collector, measures)
        not_before_s = 0.0
        while not self._over.wait(POLL_S):
            self._feed(self._tail.read(), collector, measures)
            if time.monotonic() >= not_before_s and not collector.send():
                not_before_s = time.monotonic() + AGAIN_S
        while new := self._tail.read():
            self._feed(new, collector, measures)
        for span in self._spans.end(_results(Path(self._task.results))):
            collector.add(span)
        deadline_s = time.monotonic() + self._task.timeout_s
        while not collector.send() and time.monotonic() < deadline_s:
            time.sleep(POLL_S)
        missing = f"; {collector.missing} were not taken" if collector.missing else ""
        left_out = self._tail.too_long
        cut = f"; lines of the history left out as too long: {left_out}" if left_out else ""
        _say(f"--otlp: {collector.sent} spans sent to {url}{missing}{cut}")
        collector.close()

    def _feed(self, events: list[Event], collector: Collector, measures: Measures) -> None:
        for event in events:
            measures.add(event)
            for span in self._spans.add(event):
                collector.add(span)

    def _complain(self, why: str) -> None:
        _say(
            f"--otlp: {self._task.url} does not take what it is sent ({why}); the run goes on, and "
            f"it is tried again until the run is over"
        )


def _epoch_ns(events: list[Event]) -> int | None:
    """Return the date of the run clock's zero, by the run's own note; None before that."""
    for event in events:
        if event.f == WALL_CLOCK:
            at = run_clock.moment(event.value["utc"])
            assert at is not None  # the harness of this release wrote it
            return round(at.timestamp() * 1e6) * 1000 - event.time_ns
    return None


def _results(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, *DECODE_ERRORS):
        found = msgspec.json.decode(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the harness is gone
        print(text, flush=True)


if __name__ == "__main__":
    main()
