"""Puts a second into three servers under what faults need of them, idle, beside three without it.

Both quorums are up at the same time. Bursts of puts go to the one and to the other in turn, each
of a few hundredths of a second, so that what else the machine does hurts both. The ratio is the
median of the pairs' ratios, with the interval that holds it in 95 of 100 such runs. `cpu` is the
same of the servers' processor time for a put, which others' work hardly changes. Both clients are
connected to the leader: from a follower each put takes one hop more. `--key nothing` compares two
quorums without anything, and shows what of the ratio is chance; it writes no row.

    make bench NAME=shim [ARGS="--rounds 2000 --key failpoints"]
"""

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from kazoo.client import KazooClient
from rich.console import Console
from rows import write_row

from cluster import lending
from harness.common.settings.quorum_config import QuorumConfig

READY_WITHIN_S = 90.0
BURST = 32
WARM_BURSTS = 50
LEAST = 0.9
NAMES = {"disk_shim": "disk-shim", "failpoints": "failpoint-agent", "nothing": "nothing"}


def main() -> int:
    """Measure, print, write a row; status 1 if it costs more than a tenth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1000, help="pairs of bursts (default 1000)")
    parser.add_argument("--key", choices=sorted(NAMES), default="disk_shim", help="of `cluster`")
    options = parser.parse_args()
    rounds, key = options.rounds, options.key
    with ExitStack() as stack:
        loaded = {} if key == "nothing" else {key: True}
        plain, under = (_Side(QuorumConfig(nodes=3, **keys), stack) for keys in ({}, loaded))
        for side in (plain, under):
            for _ in range(WARM_BURSTS):  # a JVM's first thousand requests are slow
                side.burst()
        began_cpu_s = [side.cpu_s() for side in (plain, under)]
        pairs = [_pair(plain, under, swapped=number % 2 == 1) for number in range(rounds)]
        bare_cpu_s, loaded_cpu_s = (
            side.cpu_s() - began for side, began in zip((plain, under), began_cpu_s, strict=True)
        )
        for side in (plain, under):
            side.require_same_leader()
    ratios = sorted(loaded / bare for bare, loaded in pairs)
    ratio = statistics.median(ratios)
    row = {
        "name": f"{NAMES[key]}-idle",
        "ours": round(statistics.median(loaded for _, loaded in pairs)),
        "peer": round(statistics.median(bare for bare, _ in pairs)),
        "peer_name": "without it",
        "unit": "creates/s",
        "ratio": round(ratio, 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
        "interval": [round(each, 2) for each in interval(ratios)],
        "cpu": round(loaded_cpu_s / bare_cpu_s, 2),
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 1),
    }
    Console(highlight=False).print(row)
    if key == "nothing":
        return 0
    write_row(row)
    return int(ratio < LEAST)


def interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Return between which values the median of what they are drawn from is, in 95 % of draws."""
    count = len(ordered)
    first = max(0, math.floor(count / 2 - 0.98 * math.sqrt(count)))
    return ordered[first], ordered[count - 1 - first]


class _Side:
    """A quorum, and a client of its leader."""

    def __init__(self, config: QuorumConfig, stack: ExitStack) -> None:
        self._up = stack.enter_context(lending.started(config, by_hand=False, say=print))
        self._up.wait_ready(within_s=READY_WITHIN_S)
        self._leader = self._up.leader()
        self._client = KazooClient(self._up.nodes[self._leader].client_address, timeout=30)
        self._client.start(timeout=30)
        stack.callback(self._client.close)
        stack.callback(self._client.stop)
        self._client.create("/bench")

    def burst(self) -> float:
        """Return creates a second of one burst, all of them in flight at once."""
        began = time.monotonic()
        for created in [
            self._client.create_async("/bench/item-", b"x" * 200, sequence=True)
            for _ in range(BURST)
        ]:
            created.get(timeout=30)
        return BURST / (time.monotonic() - began)

    def cpu_s(self) -> float:
        """Return how much processor time the servers have used."""
        stats = [node.server.stats(stream=False) for node in self._up.nodes.values()]
        return float(sum(each["cpu_stats"]["cpu_usage"]["total_usage"] for each in stats)) / 1e9

    def require_same_leader(self) -> None:
        """Refuse to compare what was measured across an election."""
        leader = self._up.leader()
        if leader != self._leader:
            raise SystemExit(
                f"expected node {self._leader} to lead to the end, got {leader}: again"
            )


def _pair(plain: _Side, under: _Side, *, swapped: bool) -> tuple[float, float]:
    """Return creates a second without and with; which goes first alternates."""
    if swapped:
        loaded = under.burst()
        return plain.burst(), loaded
    return plain.burst(), under.burst()


if __name__ == "__main__":
    sys.exit(main())
