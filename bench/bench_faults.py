"""Time from a trigger to its effect: kill and pause of the leader, and a partition of five nodes.

The clock starts when the injection is asked for, so resolving the role is part of it. The effect
is the engine's word for kill and pause (the process is gone, or frozen), and for a partition that
the rule is loaded on all five nodes.

    make bench-faults [ARGS="--rounds 20"]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rows import write_row

from cluster import quorum
from cluster.config import QuorumConfig
from cluster.quorum import DockerQuorum
from harness.faults import grudges

LIMITS_MS = {"kill": 200, "pause": 200, "partition": 500}
READY_WITHIN_S = 60.0
Timed = Callable[[DockerQuorum], None]


def main() -> int:
    """Measure, print, write a row for each; status 1 if a median is above its limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="of each fault (default 10)")
    rounds = parser.parse_args().rounds
    console = Console(highlight=False)
    up = quorum.up(QuorumConfig(), say=console.print)
    try:
        up.wait_ready(within_s=READY_WITHIN_S)
        medians = {name: _measure(up, name, rounds, console) for name in LIMITS_MS}
    finally:
        up.down()
    return int(any(medians[name] > limit for name, limit in LIMITS_MS.items()))


def kill(hurt: DockerQuorum) -> None:
    """Kill who leads now."""
    hurt.nodes[hurt.leader()].kill()


def pause(hurt: DockerQuorum) -> None:
    """Freeze who leads now."""
    hurt.nodes[hurt.leader()].pause()


def partition(hurt: DockerQuorum) -> None:
    """Cut a minority with the leader in it from the rest."""
    leader = hurt.leader()
    others = [id for id in hurt.nodes if id != leader]
    hurt.drop("cut", grudges.split([[leader, others[0]], others[1:]]))


def heal(hurt: DockerQuorum) -> None:
    """Undo all three, and wait until all serve."""
    hurt.drop("cut", {})
    for seen in hurt.statuses():
        if seen.mode == "paused":
            hurt.nodes[seen.node].resume()
        elif seen.mode == "down":
            hurt.nodes[seen.node].start()
    hurt.wait_ready(within_s=READY_WITHIN_S)


FAULTS: dict[str, Timed] = {"kill": kill, "pause": pause, "partition": partition}


def _measure(up: DockerQuorum, name: str, rounds: int, console: Console) -> float:
    taken_ms = []
    for _ in range(rounds):
        began = time.monotonic()
        FAULTS[name](up)
        taken_ms.append((time.monotonic() - began) * 1000)
        heal(up)
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
    }
    write_row(row)
    return median


if __name__ == "__main__":
    sys.exit(main())
