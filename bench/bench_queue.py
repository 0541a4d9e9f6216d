"""zkmq beside kazoo's queues and the bare ZooKeeper limit, on the same five-node quorum.

Every row is a ratio of paired rounds: both sides do the same number of items in turn, and the
median of the pairs' ratios counts, because the machine's speed drifts. 100-byte items, one
process each side unless the row says otherwise, servers with 1536 MB of heap.

    make bench [ARGS="--rows put-1 take-1 --rounds 15 --backlog 1000000"]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable

from queue_crowds import consumers_8, idle_100
from queue_sides import Bench, Sides
from rich.console import Console
from rich.table import Table
from rows import write_row

from cluster import starting
from harness.common.settings.quorum_config import QuorumConfig

GOALS = {
    "put-1": 0.9,
    "put-many-100": 0.7,
    "take-1": 1.4,
    "take-1-fused": 2.0,
    "take-10": 10.0,
    "take-100": 40.0,
    "work-1": 0.95,
    "work-8": 0.95,
    "work-10": 0.95,
    "aio-put": 1.0,
    "aio-take": 1.0,
    "backlog-1m": 0.8,
    "idle-100": 0.9,
    "consumers-8": 0.9,
}


def main() -> int:
    """Measure the rows asked for; status 1 if one is below its goal."""
    arguments = _arguments()
    console = Console(highlight=False)
    began_s = time.monotonic()
    started = starting.up(QuorumConfig(heap_mb=1536), say=console.print)
    try:
        started.wait_ready()
        with Bench(started.hosts) as bench:
            rows = []
            for name in arguments.rows:
                console.print(f"{time.monotonic() - began_s:5.0f} s  {name}")
                row = measure(name, bench, arguments.rounds, arguments.backlog)
                write_row(row)
                rows.append(row)
                console.print(f"         ratio {row['ratio']} {row['spread']}")
    finally:
        started.down()
    console.print(table(rows))
    console.print(f"took {time.monotonic() - began_s:.0f} s")
    return int(any(row["ratio"] < GOALS[row["name"]] for row in rows))


def measure(name: str, bench: Bench, rounds: int, backlog: int) -> dict[str, object]:
    """Return one row."""
    if name == "idle-100":
        return idle_100(bench, rounds)
    if name == "consumers-8":
        return consumers_8(bench, rounds)
    sides = Sides(bench)
    if name == "backlog-1m":
        full, empty = sides.backlog(backlog)
        row = paired(name, (full, empty), peer_name="empty backlog", rounds=rounds)
        return row | {"backlog": backlog}
    pair, peer_name = {
        "put-1": ((sides.put_one, sides.bare_create), "bare create"),
        "put-many-100": ((sides.put_many_100, sides.bare_multi_100), "bare multi(100)"),
        "take-1": ((sides.take(1), sides.locking), "LockingQueue"),
        "take-1-fused": ((sides.take_fused(1), sides.locking), "LockingQueue"),
        "take-10": ((sides.take(10), sides.locking), "LockingQueue"),
        "take-100": ((sides.take(100), sides.locking), "LockingQueue"),
        "work-1": (sides.consume(), "loop by hand"),
        "work-8": (sides.work(8, 1), "8 loops by hand"),
        "work-10": (sides.work(1, 10), "loop by hand, batches of 10"),
        "aio-put": (sides.aio_put(), "8 threads"),
        "aio-take": (sides.aio_take(), "8 threads"),
    }[name]
    return paired(name, pair, peer_name=peer_name, rounds=rounds)


def paired(
    name: str,
    pair: tuple[Callable[[], float], Callable[[], float]],
    *,
    peer_name: str,
    rounds: int,
) -> dict[str, object]:
    """Time both sides in turn, the first one alternating, after a round that does not count."""
    ours, peer = pair
    ours(), peer()
    pairs = []
    for number in range(rounds):
        if number % 2:
            theirs = peer()
            pairs.append((ours(), theirs))
        else:
            pairs.append((ours(), peer()))
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    return {
        "name": name,
        "ours": round(statistics.median(mine for mine, _ in pairs), 1),
        "peer": round(statistics.median(theirs for _, theirs in pairs), 1),
        "peer_name": peer_name,
        "unit": "items/s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
        "rounds": rounds,
    }


def table(rows: Iterable[dict[str, object]]) -> Table:
    """Return what the rows say, for people."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("row", "ours", "peer", "", "unit", "ratio", "goal"):
        shown.add_column(heading)
    for row in rows:
        words = [row[key] for key in ("name", "ours", "peer", "peer_name", "unit", "ratio")]
        shown.add_row(*map(str, words), str(GOALS[str(row["name"])]))
    return shown


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--backlog", type=int, default=1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
