"""Puts a second into three servers under what faults need of them, idle, beside three without it.

Both quorums are up at the same time. Blocks of puts go to the one and to the other in turn, so that
what else the machine does hurts both; the ratio is the median of the pairs' ratios.

    make bench NAME=shim [ARGS="--rounds 30 --key failpoints"]
"""

import argparse
import statistics
import sys
import time
from contextlib import ExitStack

from kazoo.client import KazooClient
from rich.console import Console
from rows import write_row

from cluster import lending
from harness.common.quorum_config import QuorumConfig

READY_WITHIN_S = 90.0
BLOCK = 500
AT_ONCE = 32
LEAST = 0.9
NAMES = {"disk_shim": "disk-shim", "failpoints": "failpoint-agent"}


def main() -> int:
    """Measure, print, write a row; status 1 if it costs more than a tenth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="pairs of blocks (default 20)")
    parser.add_argument("--key", choices=sorted(NAMES), default="disk_shim", help="of `cluster`")
    options = parser.parse_args()
    rounds, key = options.rounds, options.key
    console = Console(highlight=False)
    with ExitStack() as stack:
        plain, shimmed = (
            _client(QuorumConfig(nodes=3, **{key: loaded}), stack) for loaded in (False, True)
        )
        for client in (plain, shimmed):
            _block(client)  # a JVM's first thousand requests are slow
        pairs = [_pair(plain, shimmed, swapped=number % 2 == 1) for number in range(rounds)]
    ratios = sorted(under / without for without, under in pairs)
    ratio = statistics.median(ratios)
    row = {
        "name": f"{NAMES[key]}-idle",
        "ours": round(statistics.median(under for _, under in pairs)),
        "peer": round(statistics.median(without for without, _ in pairs)),
        "peer_name": "without it",
        "unit": "creates/s",
        "ratio": round(ratio, 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
        "rounds": rounds,
    }
    console.print(row)
    write_row(row)
    return int(ratio < LEAST)


def _client(config: QuorumConfig, stack: ExitStack) -> KazooClient:
    up = stack.enter_context(lending.started(config, by_hand=False, say=print))
    up.wait_ready(within_s=READY_WITHIN_S)
    client = KazooClient(up.hosts, timeout=10)
    client.start(timeout=30)
    stack.callback(client.close)
    stack.callback(client.stop)
    client.create("/bench")
    return client


def _pair(plain: KazooClient, shimmed: KazooClient, *, swapped: bool) -> tuple[float, float]:
    """Return creates a second without and under the shim; which goes first alternates."""
    if swapped:
        under = _block(shimmed)
        return _block(plain), under
    return _block(plain), _block(shimmed)


def _block(client: KazooClient) -> float:
    began, waiting = time.monotonic(), []
    for _ in range(BLOCK):
        waiting.append(client.create_async("/bench/item-", b"x" * 200, sequence=True))
        if len(waiting) == AT_ONCE:
            waiting.pop(0).get(timeout=30)
    for each in waiting:
        each.get(timeout=30)
    return BLOCK / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
