"""The command `harness`, whose runs on workers are made up: no quorum, no Docker.

    python -m worlds.fake_campaign PLACE run a.yaml b.yaml --workers 2

The description of a scenario says what becomes of it: `valid`, `lost`, `dies once` (its worker is
killed at the first attempt), `dies`, or `sleeps once` (the first attempt takes a minute).
PLACE/begun has a line for each attempt: the scenario, and the worker's pid. `--patience-s S`
before `run` makes the patience with schedulers that short.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from harness.campaign import dask_cluster, dask_executor
from harness.campaign.tasks import Done, Events, InTurn, Task, UndoneError
from harness.commands import harness_command
from harness.commands.running import campaign_of_runs, ordered_run, run_command
from harness.commands.running.crew import Crew
from harness.commands.running.ordered_run import Delivered, Order
from harness.common.polling import wait_until
from harness.scenario.schema import Scenario
from worlds.histories.judged_runs import judged, lives

SLEEPS_S = 600.0
TOLD_WITHIN_S = 60.0


@dataclass(frozen=True)
class FakeRun:
    """Does an order at once, as its scenario says."""

    begun: Path

    def __call__(self, order: Order) -> Delivered:
        """Note the attempt, then do what the description says."""
        what = order.scenario.description.strip()
        with self.begun.open("a") as file:
            file.write(f"{order.name} {os.getpid()}\n")
        first = [line.split()[0] for line in self.begun.read_text().splitlines()].count(
            order.name
        ) == 1
        if what == "dies" or (what == "dies once" and first):
            wait_until(lambda: self._is_told(order.name), within_s=TOLD_WITHIN_S, every_s=0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "sleeps once" and first:
            time.sleep(SLEEPS_S)
        with tempfile.TemporaryDirectory() as place:
            lost = (2,) if what == "lost" else ()
            run = judged(Path(place), lives(lost=lost), came_to_its_end=True)
            results = msgspec.json.decode(run.results.read_bytes()) | {"scenario": order.name}
            return Delivered(results=results, took_s=1.0, packed=ordered_run.pack(run.path))

    def _is_told(self, name: str) -> bool:
        """Tell whether the campaign has heard that the last attempt at this scenario began."""
        attempts = self.begun.read_text().splitlines()
        begun = [line.split()[0] for line in attempts].count(name)
        files = self.begun.parent.glob("runs/campaigns/*/campaign.jsonl")
        lines = [line for file in files for line in file.read_text().splitlines()]
        return sum('"began"' in line and name in line for line in lines) >= begun


@dataclass(slots=True)
class OracleRun:
    """Does an order at once: it loses an item if an oracle says so; every fault took effect."""

    oracle: Callable[[Scenario], bool]
    runs: int = 0

    def __call__(self, order: Order) -> Delivered:
        """Judge, and pack what such a run leaves if it is wanted."""
        self.runs += 1
        wrong = self.oracle(order.scenario)
        kinds = [entry.kind for phase in order.scenario.phases for entry in phase.faults]
        with tempfile.TemporaryDirectory() as place:
            lost = (2,) if wrong else ()
            run = judged(Path(place), lives(lost=lost), came_to_its_end=True)
            results = msgspec.json.decode(run.results.read_bytes()) | {
                "scenario": order.name,
                "faults": [{"fault": k, "outcome": "installed", "heal_ns": None} for k in kinds],
            }
            wanted = order.wanted == "all" or (order.wanted == "not valid" and wrong)
            packed = ordered_run.pack(run.path) if wanted else b""
            return Delivered(results=results, took_s=1.0, packed=packed)


class Workers(InTurn):
    """Does tasks here, as workers would; those named in `undone` kill all who try."""

    undone: tuple[str, ...] = ()
    interrupt_after: int | None = None
    slots = 3

    def run(self, tasks: Iterable[Task]) -> Events:
        """Do tasks, until Ctrl-C if there is one."""
        for number, task in enumerate(tasks):
            if number == self.interrupt_after:
                raise KeyboardInterrupt("Ctrl-C")
            if any(name in task.key for name in self.undone):
                died = UndoneError("3 workers died with it")
                yield Done(key=task.key, error=died, attempts=3)
            else:
                yield from super().run([task])

    def everywhere(self, call: Callable[[], object]) -> None:
        """Have no worker elsewhere."""


def have_workers(
    monkeypatch: pytest.MonkeyPatch, carry_out: Callable[[Order], Delivered]
) -> Workers:
    """Put workers that make up their runs in the place of Dask's."""
    made = Workers()

    @contextmanager
    def executor(*_: object, **__: object) -> Iterator[Workers]:
        yield made

    monkeypatch.setattr(Crew, "executor", executor)
    monkeypatch.setattr(ordered_run, "carry_out", carry_out)
    for module in (campaign_of_runs, run_command.hurting):
        monkeypatch.setattr(module, "tidy", lambda _: None)
    return made


def main() -> None:
    """Run the command line with what the real one does not have."""
    place, *words = sys.argv[1:]
    if words[0] == "--patience-s":
        patience_s = float(words[1])
        dask_cluster.CONNECT_WITHIN_S = dask_cluster.WORKER_WITHIN_S = patience_s
        words = words[2:]
    dask_executor.TICK_S = 0.1
    ordered_run.carry_out = FakeRun(Path(place) / "begun")  # type: ignore[assignment]
    for command in (campaign_of_runs, run_command.hurting):
        command.tidy = lambda _: None  # type: ignore[attr-defined]
    sys.argv = ["harness", *words]
    harness_command.main()


if __name__ == "__main__":
    main()
