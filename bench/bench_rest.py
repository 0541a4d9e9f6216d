"""The REST gateway beside kazoo used directly, in one process and in the same run.

One gateway process and 64 connections. A round measures kazoo with 64 requests outstanding in
the gateway's own process, then the same operation over HTTP from a load generator in another;
the median of the rounds' ratios counts, because the machine's speed drifts. 100-byte values.

    make bench NAME=rest [ARGS="--rows rest-get --rounds 9 --hosts 127.0.0.1:2181"]
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from rich.console import Console
from rows import write_row

from cluster import starting
from harness.common.settings.quorum_config import QuorumConfig
from zkmq.rest.server.serving import GatewayServer, listen, spare_collections
from zkmq.rest.upstream.gateway_config import EndpointConfig, GatewayConfig

CONNECTIONS = 64
VALUE = b"x" * 100
ROOT = "/bench-rest"

# Row -> the request over HTTP, the same by kazoo, and the least ratio.
ROWS: dict[str, tuple[str, str, float]] = {
    "rest-get": ("GET /znodes/v1/bench-rest/node", "get", 0.5),
    "rest-set": ("PUT /znodes/v1/bench-rest/node", "set", 0.4),
    "rest-create": ("POST /znodes/v1/bench-rest/created?name=n-&sequence=true", "create", 0.4),
    "rest-queue-put": ("POST /queues/v1/bench-queue/items", "create", 0.4),
}


def main() -> int:
    """Measure the rows asked for; status 1 if one is below its goal."""
    arguments = _arguments()
    console = Console(highlight=False)
    below = 0
    with _hosts(arguments.hosts, console) as hosts, _gateway(hosts) as port, _client(hosts) as zk:
        for name in arguments.rows:
            row = measure(name, zk, port, arguments.rounds, arguments.seconds)
            write_row(row)
            below += row["ratio"] < ROWS[name][2]
            console.print(
                f"{name}: {row['ours']}/s of {row['peer']}/s, ratio {row['ratio']} "
                f"{row['spread']}, p99 {row['p99_ms']} ms, load generator {row['load_cpu']} CPU"
            )
    return int(below > 0)


def measure(name: str, zk: KazooClient, port: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Return one row."""
    line, operation, _ = ROWS[name]
    pairs = []
    for _ in range(rounds):
        direct = kazoo_rate(zk, operation, seconds)
        pairs.append((over_http(port, line, seconds), direct))
    ratios = [http["rate"] / direct for http, direct in pairs]

    def median(key: str) -> float:
        return statistics.median(http[key] for http, _ in pairs)

    return {
        "name": name,
        "ours": round(median("rate")),
        "peer": round(statistics.median(direct for _, direct in pairs)),
        "peer_name": f"kazoo {operation}, {CONNECTIONS} outstanding, in the gateway's process",
        "unit": "requests/s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "p50_ms": round(median("p50_ms"), 1),
        "p99_ms": round(median("p99_ms"), 1),
        "load_cpu": round(median("load_cpu"), 2),
    }


def kazoo_rate(zk: KazooClient, operation: str, seconds: float) -> float:
    """Return how many requests a second kazoo does with 64 of them outstanding."""
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: zk.get_async(f"{ROOT}/node"),
        "set": lambda: zk.set_async(f"{ROOT}/node", VALUE),
        "create": lambda: zk.create_async(f"{ROOT}/created/n-", VALUE, sequence=True),
    }
    call = calls[operation]
    began_s = time.perf_counter()
    pending = deque(call() for _ in range(CONNECTIONS))
    count = 0
    while pending:
        pending.popleft().get(timeout=30)
        count += 1
        if time.perf_counter() - began_s < seconds:
            pending.append(call())
    return count / (time.perf_counter() - began_s)


def over_http(port: int, line: str, seconds: float) -> dict[str, float]:
    """Return what the load generator measured."""
    body = b"" if line.startswith("GET") else VALUE
    head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    load = Path(__file__).with_name("rest_load.py")
    done = subprocess.run(
        [sys.executable, str(load), str(port), str(CONNECTIONS), str(seconds)],
        input=f"{head}{length}\r\n".encode() + body,
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + 30,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


@contextmanager
def _hosts(given: str | None, console: Console) -> Iterator[str]:
    if given:
        yield given
        return
    started = starting.up(QuorumConfig(heap_mb=1536), say=console.print)
    try:
        started.wait_ready()
        yield started.hosts
    finally:
        started.down()


@contextmanager
def _client(hosts: str) -> Iterator[KazooClient]:
    zk = KazooClient(hosts)
    zk.start()
    try:
        zk.ensure_path(f"{ROOT}/created")
        zk.ensure_path(f"{ROOT}/node")
        zk.set(f"{ROOT}/node", VALUE)
        yield zk
    finally:
        zk.stop()
        zk.close()


@contextmanager
def _gateway(hosts: str) -> Iterator[int]:
    config = GatewayConfig(endpoints=(EndpointConfig(hosts=hosts),), port=0)
    listener = listen(config.host, config.port)
    server = GatewayServer(config)
    spare_collections()  # as `zkmq gateway` does; for kazoo's side too, it is one process
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=9, help="pairs a row")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side of a pair")
    parser.add_argument("--hosts", help="a running ZooKeeper instead of a new quorum")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
