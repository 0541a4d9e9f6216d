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
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.campaign import dask_cluster, dask_executor
from harness.commands import harness_command
from harness.commands.running import campaign_of_runs, ordered_run, run_command
from harness.commands.running.ordered_run import Delivered, Order
from worlds.histories.judged_runs import judged, lives

SLEEPS_S = 60.0


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
            time.sleep(0.3)  # so that what the worker said has left it
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "sleeps once" and first:
            time.sleep(SLEEPS_S)
        with tempfile.TemporaryDirectory() as place:
            lost = (2,) if what == "lost" else ()
            run = judged(Path(place), lives(lost=lost), came_to_its_end=True)
            results = msgspec.json.decode(run.results.read_bytes()) | {"scenario": order.name}
            return Delivered(results=results, took_s=1.0, packed=ordered_run.pack(run.path))


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
