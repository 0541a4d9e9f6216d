"""Celery's tasks a second over zkmq, against kombu's own transport for ZooKeeper.

In turn in one run, on the same five servers, with one worker of two processes that acknowledges
late. A task does nothing but note the time.

    celery-tasks    from the first to the last of N tasks that were in the queue before
    celery-publish  `delay` from one thread

kombu's own transport polls each second by default; here it polls each 10 ms, which is faster. With
--default it is measured too as it comes.

With --redis, Celery on one Redis server of this machine is shown beside: as it comes, which may
lose what was published in the last minutes, and with each write on the disk before its answer. It
needs `apt-get install redis-server` and `pip install redis`.

    make bench NAME=celery [ARGS="--rounds 3 --tasks 500 --redis"]
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery import Celery
from rows import write_row

import zkmq.celery  # noqa: F401 - makes zkmq:// known
from cluster import lending
from harness.common.polling import wait_until
from harness.common.settings.quorum_config import QuorumConfig
from harness.workers.gateway import hold_port

LEAST_RATIO = 2.0
QUIET_S = 60.0
ZKMQ, STOCK, DEFAULT = "zkmq", "kombu's zookeeper", "kombu's zookeeper, as it comes"
# What Redis is started with: without settings it writes the disk from time to time.
REDIS = {
    "Redis, as it comes": [],
    "Redis, each write on the disk": ["--appendonly", "yes", "--appendfsync", "always"],
}

broker, options = os.environ.get("BENCH_BROKER", ""), {}
if broker.startswith("zookeeper") and "BENCH_POLL_S" in os.environ:
    options = {"polling_interval": float(os.environ["BENCH_POLL_S"])}
app = Celery("bench_celery", broker=broker)
app.conf.update(
    task_acks_late=True, task_ignore_result=True, broker_transport_options=options,
    broker_connection_retry_on_startup=True,
)  # fmt: skip


@app.task(name="bench.note")  # type: ignore[untyped-decorator]
def note() -> None:
    """Write the time, on a clock that all processes share, into this process's file."""
    with Path(os.environ["BENCH_NOTES"], str(os.getpid())).open("a") as file:
        file.write(f"{time.monotonic()}\n")


def main() -> int:
    """Measure, print, write both rows; status 1 if tasks are below the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--default", action="store_true", help="and the stock one as it comes")
    parser.add_argument("--redis", action="store_true", help="and on a Redis server")
    given = parser.parse_args()
    if given.redis and not (shutil.which("redis-server") and find_spec("redis")):
        parser.error(
            "--redis: expected redis-server and the package redis; "
            "apt-get install redis-server, pip install redis"
        )
    kinds = [ZKMQ, STOCK, *([DEFAULT] if given.default else []), *(REDIS if given.redis else [])]
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        up = stack.enter_context(lending.started(QuorumConfig(nodes=5), by_hand=False, say=print))
        up.wait_ready(within_s=90)
        brokers = {
            kind: stack.enter_context(redis_server(settings))
            for kind, settings in REDIS.items()
            if given.redis
        }
        for number in range(given.rounds):
            for kind in kinds:
                broker = brokers.get(kind) or broker_of(kind, up.hosts)
                published, executed = measure(kind, broker, given.tasks)
                found[kind].append((published, executed))
                print(
                    f"round {number + 1}: {kind}: {published:.0f} published and {executed:.0f} "
                    "executed a second", flush=True,
                )  # fmt: skip
    for index, name in enumerate(("celery-publish", "celery-tasks")):
        write_row(row_of(name, [[pair[index] for pair in found[kind]] for kind in kinds[:2]]))
    for kind in kinds:
        medians = [statistics.median(pair[index] for pair in found[kind]) for index in (0, 1)]
        print(f"median: {kind}: {medians[0]:.0f} published, {medians[1]:.0f} executed a second")
    ratios = [ours[1] / peers[1] for ours, peers in zip(found[ZKMQ], found[STOCK], strict=True)]
    print(f"celery-tasks: median ratio {statistics.median(ratios):.2f}, goal {LEAST_RATIO}")
    return int(statistics.median(ratios) < LEAST_RATIO)


def row_of(name: str, sides: list[list[float]]) -> dict[str, Any]:
    """Return the row of one figure, by its pairs of rounds."""
    ours, peers = sides
    ratios = sorted(one / other for one, other in zip(ours, peers, strict=True))
    return {
        "name": name,
        "ours": round(statistics.median(ours), 1),
        "peer": round(statistics.median(peers), 1),
        "peer_name": STOCK,
        "unit": "1/s",
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
    }


def broker_of(kind: str, hosts: str) -> str:
    """Return the URL of an empty broker on the quorum."""
    first, path = hosts.split(",", maxsplit=1)[0], uuid.uuid4().hex
    return f"zkmq://{hosts}/{path}" if kind == ZKMQ else f"zookeeper://{first}/{path}"


@contextmanager
def redis_server(settings: list[str]) -> Iterator[str]:
    """Give the URL of a Redis server on a free port of loopback, with its files in a new folder."""
    with hold_port() as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        with subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(
                    lambda: answers(port), within_s=QUIET_S, every_s=0.1,
                    late=lambda _: OSError(f"redis-server: no answer on port {port}"),
                )  # fmt: skip
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                server.terminate()


def answers(port: int) -> bool:
    """Return whether somebody listens on a port of loopback."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def measure(kind: str, broker: str, tasks: int) -> tuple[float, float]:
    """Return how many tasks one transport publishes, and executes, in a second."""
    with tempfile.TemporaryDirectory() as notes:
        here = str(Path(__file__).parent)
        there = os.environ | {"BENCH_BROKER": broker, "BENCH_NOTES": notes}
        there["PYTHONPATH"] = os.pathsep.join([here, *sys.path])
        there |= {"BENCH_POLL_S": "0.01"} if kind == STOCK else {}
        publish = [sys.executable, "-c", f"import bench_celery as b; b.publish({tasks})"]
        sent = subprocess.run(publish, env=there, check=True, capture_output=True, text=True)
        work = [sys.executable, "-m", "celery", "-A", "bench_celery", "worker", "-c", "2"]
        with subprocess.Popen(
            [*work, "--without-gossip", "--without-mingle"], env=there, cwd=notes,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        ) as worker:  # fmt: skip
            try:
                times = wait_for(Path(notes), tasks)
            finally:
                os.killpg(worker.pid, signal.SIGKILL)
    return float(sent.stdout), (len(times) - 1) / (times[-1] - times[0])


def publish(tasks: int) -> None:
    """Publish tasks, and print how many in a second."""
    note.delay()
    began_s = time.monotonic()
    for _ in range(tasks - 1):
        note.delay()
    print((tasks - 1) / (time.monotonic() - began_s))
    app.close()


def wait_for(notes: Path, tasks: int) -> list[float]:
    """Return the times of the tasks when all were executed, or when none is for a minute."""
    seen, since_s = 0, time.monotonic()
    while True:
        times = [float(line) for file in notes.iterdir() if file.is_file() and file.name.isdigit()
                 for line in file.read_text().split()]  # fmt: skip
        if len(times) >= tasks or time.monotonic() > since_s + QUIET_S:
            return sorted(times)
        if len(times) != seen:
            seen, since_s = len(times), time.monotonic()
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
