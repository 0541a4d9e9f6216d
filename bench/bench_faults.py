"""Time from a trigger to its effect: kill and pause of the leader, and a partition of five nodes.

The clock starts when the scenario says (`at: {elapsed_s}`), so the nemesis's own step, resolving
the role and the undo ledger on disk are part of it. The effect is the engine's word for kill and
pause (the process is gone, or frozen), and for a partition that the rule is loaded on all nodes.

    make bench NAME=faults [ARGS="--rounds 20"]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rows import write_row

from cluster import starting
from cluster.quorum import DockerQuorum
from harness.common.progress import Progress
from harness.common.run_clock import NS_PER_S, Clock
from harness.common.settings.quorum_config import QuorumConfig
from harness.history.record import HistoryWriter
from harness.nemesis.nemesis import Nemesis
from harness.nemesis.phase_faults import PhaseOfFaults
from harness.scenario import loading, plan
from harness.workers.running_clients import NoClients

DUE_S = 0.2
READY_WITHIN_S = 60.0
LIMITS_MS = {"kill": 200, "pause": 200, "partition": 500}
FAULTS = {
    "kill": "{kill: {target: leader}, at: {elapsed_s: %g}, down_s: 0}",
    "pause": "{pause: {target: leader}, at: {elapsed_s: %g}, for_s: 0}",
    "partition": "{partition: {groups: [[1, 2], [3, 4, 5]]}, at: {elapsed_s: %g}, for_s: 0}",
}


def main() -> int:
    """Measure, print, write a row for each; status 1 if a median is above its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="of each fault (default 10)")
    rounds = parser.parse_args().rounds
    console = Console(highlight=False)
    up = starting.up(QuorumConfig(), say=console.print)
    try:
        medians = {name: _measure(up, name, rounds, console) for name in LIMITS_MS}
    finally:
        up.down()
    return int(any(medians[name] > limit for name, limit in LIMITS_MS.items()))


def _measure(up: DockerQuorum, name: str, rounds: int, console: Console) -> float:
    taken_ms = []
    for _ in range(rounds):
        up.wait_ready(within_s=READY_WITHIN_S)
        taken_ms.append(_one(up, name))
    median, limit = statistics.median(taken_ms), LIMITS_MS[name]
    spread = [round(min(taken_ms)), round(max(taken_ms))]
    console.print(f"{name}: median {median:.0f} ms, {spread[0]} to {spread[1]}; limit {limit} ms")
    row = {
        "name": f"fault-{name}",
        "ours": round(median),
        "peer": limit,
        "peer_name": "limit",
        "unit": "ms",
        "ratio": round(median / limit, 2),
        "spread": spread,
        "rounds": rounds,
    }
    write_row(row)
    return median


def _one(up: DockerQuorum, name: str) -> float:
    """Inject once, as a run does, and return the milliseconds from the trigger to the effect."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "nemesis.jsonl"
        with HistoryWriter(told) as history:
            due_s = _played(up, name, Path(folder), history)
        lines = [json.loads(line) for line in told.read_text().splitlines()]
    (injected,) = [line for line in lines if line["value"]["phase"] == "inject"]
    if injected["value"]["outcome"] != "installed":
        raise SystemExit(f"{name}: expected it installed, got {injected}")
    began_ms = (injected["time_ns"] / NS_PER_S - due_s) * 1000
    return began_ms + _effect_ms(injected["value"]["evidence"])


def _played(up: DockerQuorum, name: str, folder: Path, history: HistoryWriter) -> float:
    """Run a phase with the one fault, and return when it was due on the run's clock."""
    file = folder / f"{name}.yaml"
    entry = FAULTS[name] % DUE_S
    file.write_text(f"description: d\nworkload: [{{put-all: {{}}}}]\nfaults: [{entry}]\n")
    wanted, clock, progress = loading.load(file), Clock(), Progress()
    nemesis = Nemesis(wanted, up, NoClients(), history, clock=clock, progress=progress)
    injections = nemesis.injections(0, plan.make(wanted))
    with PhaseOfFaults(nemesis, injections, clock=clock, progress=progress) as faults:
        due_s = faults.began_s + DUE_S
        while not faults.over:
            time.sleep(0.01)
    return due_s


def _effect_ms(evidence: Mapping[str, Any]) -> float:
    """Return how long after the injection began its effect was there, by its own evidence."""
    if "in_force_ms" in evidence:
        return float(evidence["in_force_ms"])
    (seen,) = evidence.get("killed") or evidence["paused"]
    return float(seen["after_ms"])


if __name__ == "__main__":
    sys.exit(main())
