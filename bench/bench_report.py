"""How long the report of a big history takes to build and to open, and how big it is.

A synthetic run (a third each of put, reserve and done, by 40 clients; eight faults, one item lost)
is written as a run's folder and judged. Then the report is built by `harness report`, in a process
of its own whose time and peak memory count, and opened in Chromium from the file, while another
process keeps one core busy. A small run, of 3,000 operations, is opened, too.

    make bench NAME=report [ARGS="--operations 1000000"]
"""

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from playwright.sync_api import sync_playwright
from rich.console import Console
from rows import limit_row, write_row

from harness import run
from harness.common.run_folder import RunFolder
from harness.report import page
from harness.scenario import loading

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LIMITS = {
    "build": 30.0,
    "memory": 2.0,
    "open": 3.0,
    "size": 15.0,
    "page": 1.5,  # of the size, without data
    "open-small": 1.5,
}
UNITS = {name: "GB" if name == "memory" else "MB" for name in ("memory", "size", "page")}
SMALL_OPERATIONS = 3_000
ROUNDS = 5
CLIENTS, FAULTS, LOST, STEP_NS = 20, 8, 317, 400_000
SCENARIO = """\
description: A synthetic history.
claim: unordered
workload: [{put-all: {count: 1}}]
expect: invalid
because: lost
"""


def main() -> int:
    """Measure, print, write the rows `report-*`; status 1 if a figure is above its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--operations", type=int, default=1_000_000)
    operations = parser.parse_args().operations
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as place:
        folder = synthetic_run(Path(place), operations)
        console.print(f"{operations} operations written and judged")
        small = synthetic_run(Path(place) / "small", SMALL_OPERATIONS)
        figures = build(folder) | {"open": opened(folder.path / page.FILE)}
        figures["open-small"] = opened(page.write(small))
    for name, figure in figures.items():
        unit, limit = UNITS.get(name, "s"), LIMITS[name]
        console.print(f"{name}: {figure:.2f} {unit} (limit {limit:g})")
        write_row(limit_row(f"report-{name}", figure, limit, unit, operations=operations))
    return int(any(figures[name] > limit for name, limit in LIMITS.items()))


def synthetic_run(place: Path, operations: int) -> RunFolder:
    """Write a run with so many operations, and judge it."""
    place.mkdir(exist_ok=True)
    folder = RunFolder(place)
    folder.scenario.write_text(SCENARIO)
    with folder.history.open("wb") as file:
        for index, event in enumerate(events(operations)):
            file.write(msgspec.json.encode({"index": index} | event) + b"\n")
    run.check(loading.load(folder.scenario), "synthetic", folder)
    return folder


@dataclass(frozen=True, slots=True)
class _Call:
    begin_ns: int
    end_ns: int
    process: int
    f: str
    value: int

    def events(self) -> Iterator[dict[str, Any]]:
        """Give the invocation and the answer."""
        asked = None if self.f == "reserve" else self.value
        who = {"process": self.process, "f": self.f}
        yield {"time_ns": self.begin_ns, "type": "invoke", "value": asked} | who
        yield {"time_ns": self.end_ns, "type": "ok", "value": self.value} | who


def events(operations: int) -> Iterator[dict[str, Any]]:
    """Give a run's events in order of time, a stretch of items at a time."""
    rng, items = Random(1), operations // 3  # noqa: S311 -- the same history each time
    yield _note(0, "harness", "status", {str(n): _mode(n, 1) for n in range(1, 6)})
    held = list(_faults(items))
    for value in range(1, items + 1):
        begin_ns = value * STEP_NS
        held += [event for call in _life(value, begin_ns, rng) for event in call.events()]
        if value % 10_000 == 0 or value == items:
            held.sort(key=lambda event: event["time_ns"])
            ready = [event for event in held if event["time_ns"] <= begin_ns]
            held = held[len(ready) :]
            yield from ready
    yield from held
    end_ns = held[-1]["time_ns"] + STEP_NS
    yield _note(end_ns, "harness", "drain", {"phase": "begin"})
    yield _note(end_ns + 1, "harness", "drain", {"phase": "end", "complete": True})


def _life(value: int, begin_ns: int, rng: Random) -> Iterator[_Call]:
    """Give an item's put, reserve and done; clients take turns, so none overlaps itself."""
    client, most_ns = value % CLIENTS, CLIENTS * STEP_NS // 3
    put_ns, take_ns, done_ns = (rng.randrange(most_ns // 4, most_ns) for _ in range(3))
    yield _Call(begin_ns, begin_ns + put_ns, client, "put", value)
    if value != LOST:
        at_ns, taker = begin_ns + most_ns + STEP_NS, CLIENTS + client
        yield _Call(at_ns, at_ns + take_ns, taker, "reserve", value)
        yield _Call(at_ns + most_ns, at_ns + most_ns + done_ns, taker, "done", value)


def _faults(items: int) -> Iterator[dict[str, Any]]:
    """Give eight kills of the leader, each healed, with the elections they caused."""
    for number in range(FAULTS):
        at_ns = (number + 1) * items * STEP_NS // (FAULTS + 2)
        heal_ns, leader = at_ns + items * STEP_NS // 40, number % 5 + 1
        value = {"id": number, "name": "kill", "target": "leader", "nodes": [leader]}
        value |= {"outcome": "installed", "evidence": {}}
        modes = {str(n): _mode(n, leader % 5 + 1) for n in range(1, 6)}
        yield _note(at_ns, "nemesis", "kill", value | {"phase": "inject"})
        yield _note(at_ns + STEP_NS, "harness", "status", modes | {str(leader): "down"})
        yield _note(heal_ns, "nemesis", "kill", value | {"phase": "heal"})
        yield _note(heal_ns + STEP_NS, "harness", "status", modes)


def _mode(node: int, leader: int) -> str:
    return "leader" if node == leader else "follower"


def _note(time_ns: int, process: str, f: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"time_ns": time_ns, "process": process, "type": "info", "f": f, "value": value}


def build(folder: RunFolder) -> dict[str, float]:
    """Build the report in a process of its own; return seconds, peak GB and MB of the file."""
    began_s = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "harness.commands.harness_command", "report", folder.path],
        check=True,
    )
    took_s = time.monotonic() - began_s
    peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    text = (folder.path / page.FILE).read_text()
    (data,) = re.findall(r'<script type="application/json".*?</script>', text, re.DOTALL)
    sizes = {"size": len(text) / 1e6, "page": (len(text) - len(data)) / 1e6}
    return {"build": took_s, "memory": peak_kb / 1e6} | sizes


@contextmanager
def one_busy_core() -> Iterator[None]:
    """Keep one core busy while the context lasts."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def opened(report: Path) -> float:
    """Open the report in Chromium; return the median of the seconds until all of it is drawn."""
    took_s = []
    with one_busy_core(), sync_playwright() as playwright:
        for _ in range(ROUNDS):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            tab = browser.new_page()
            began_s = time.monotonic()
            tab.goto(report.as_uri())
            tab.wait_for_selector("html[data-ready=true]", timeout=60_000)
            took_s.append(time.monotonic() - began_s)
            browser.close()
    return statistics.median(took_s)


if __name__ == "__main__":
    sys.exit(main())
