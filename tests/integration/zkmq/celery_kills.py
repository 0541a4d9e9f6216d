# ruff: noqa: E402 - a script has to make its imports findable first
"""Kill Celery's workers and ZooKeeper's leader, and count what became of each task.

python tests/integration/zkmq/celery_kills.py --tasks 10000 --kills 100
python tests/integration/zkmq/celery_kills.py --transport zookeeper    the same with kombu's own

Five servers; the leader is killed every 15 s. Workers are Celery's own, and acknowledge late. Each
has one process, which is ended by SIGKILL, and another one takes its place at once. Workers note in
a file when a task begins and when it ends.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

from celery import Celery

import zkmq.celery  # noqa: F401 - makes zkmq:// known
from cluster import lending
from cluster.cluster_errors import ClusterError
from cluster.quorum import DockerQuorum
from harness.common.settings.quorum_config import QuorumConfig

LEADER_EVERY_S, DOWN_S = 15.0, 4.0
SESSION_S = 4.0
# A run without progress for so long is over: what is not executed by then is lost.
QUIET_S = 25.0
WORKERS, PRODUCERS = 4, 2


def app_of(broker: str, transport: str, notes: str = "", session_s: float = SESSION_S) -> Celery:
    """The application under test; each of its tasks notes its beginning and its end."""
    app = Celery("kills", broker=broker)
    options = (
        {"session_timeout_s": session_s} if transport == "zkmq" else {"polling_interval": 0.05}
    )
    app.conf.update(
        broker_transport_options=options,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_acks_late=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=4,
        task_publish_retry_policy={"max_retries": 20, "interval_max": 1.0},
    )

    @app.task(name="kills.work", shared=False)  # type: ignore[untyped-decorator]
    def work(number: int, seconds: float) -> None:
        note(notes, "begin", number)
        time.sleep(seconds)
        note(notes, "end", number)

    @app.task(name="kills.wait", shared=False)  # type: ignore[untyped-decorator]
    def wait(number: int, go: str) -> None:
        note(notes, "begin", number)
        while not Path(go).exists():
            time.sleep(0.05)
        note(notes, "end", number)

    return app


def close(app: Celery) -> None:
    """Close what an application has open; Celery leaves its pools to the garbage collector."""
    consumer = getattr(app.backend, "result_consumer", None)
    if consumer is not None and consumer._consumer is not None:
        consumer.stop()
    app.producer_pool.force_close_all()
    app.pool.force_close_all()
    app.close()


def note(folder: str, what: str, number: int) -> None:
    """Write one line to this process's file at once: a SIGKILL loses none that was written."""
    line = f"{what} {number} {os.environ['KILLS_WORKER']}\n".encode()
    file = os.open(f"{folder}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def breed(broker: str, notes: str, transport: str, pool: str, session_s: float) -> None:
    """Fork a worker for each line of standard input, and print its pid; end them all at the end."""
    app = app_of(broker, transport, notes, session_s)
    app.finalize()
    log = f"{notes}.log"
    app.Worker  # noqa: B018 - imports what each child would import again
    children: list[int] = []
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.environ["KILLS_WORKER"] = str(os.getpid())  # also for the processes of its pool
            for stream in (1, 2):  # a worker greets
                os.dup2(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY), stream)
            flags = [f"--pool={pool}", "--concurrency=2", "--loglevel=WARNING"]
            quiet = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
            try:
                app.worker_main(["worker", f"--hostname=w{os.getpid()}@kills", *flags, *quiet])
            finally:
                os._exit(0)
        children.append(pid)
        print(pid, flush=True)
        for gone in children:
            with suppress(ChildProcessError):
                os.waitpid(gone, os.WNOHANG)
    for pid in children:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # also the pool of a worker that was killed long ago


@dataclass
class Breeder:
    """The process that forks workers, since each import of Celery takes a second."""

    process: "subprocess.Popen[str]"
    alive: list[int] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)

    @classmethod
    def start(cls, broker: str, notes: Path, *settings: str) -> "Breeder":
        """Start it, without workers yet."""
        command = [sys.executable, __file__, "--breed", broker, str(notes), *settings]
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))

    def spawn(self) -> None:
        """Start one more worker."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.alive.append(int(self.process.stdout.readline()))

    def kill(self, rng: random.Random) -> None:
        """End one worker with SIGKILL, and start another."""
        pid = self.alive.pop(rng.randrange(len(self.alive)))
        self.killed.add(pid)
        os.kill(pid, signal.SIGKILL)
        self.spawn()

    def close(self) -> None:
        """End all workers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@dataclass
class TaskPublisher(threading.Thread):
    """Publishes its share of the tasks, evenly over some time."""

    app: Celery
    numbers: range
    seconds: float
    over_s: float
    sent: set[int] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    doubtful: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        """Publish; note what was accepted, and what may have been."""
        began_s = time.monotonic()
        for done, number in enumerate(self.numbers):
            due_s = began_s + self.over_s * done / len(self.numbers)
            time.sleep(max(0.0, due_s - time.monotonic()))
            try:
                self.app.send_task("kills.work", (number, self.seconds))
                self.sent.add(number)
            except Exception as error:  # noqa: BLE001 - counted
                self.failed[type(error.__cause__ or error).__name__] += 1
                self.doubtful.add(number)

    __hash__ = threading.Thread.__hash__


class LeaderKills(threading.Thread):
    """Kills the leader every 15 s, and starts it again."""

    def __init__(self, up: DockerQuorum) -> None:
        super().__init__(daemon=True)
        self._up, self._over = up, threading.Event()
        self.count = 0

    def run(self) -> None:
        """Kill until `stop`."""
        while not self._over.wait(LEADER_EVERY_S):
            with suppress(ClusterError):
                node = self._up.nodes[self._up.leader()]
                node.kill()
                self.count += 1
                self._over.wait(DOWN_S)
                node.start()

    def stop(self) -> None:
        """Wait for the end of the last kill."""
        self._over.set()
        self.join()


def executed(notes: Path) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """The processes that began, and that ended, each task."""
    began: dict[int, list[int]] = {}
    ended: dict[int, list[int]] = {}
    for file in notes.iterdir():
        for line in file.read_text().splitlines():
            what, number, pid = line.split()
            (began if what == "begin" else ended).setdefault(int(number), []).append(int(pid))
    return began, ended


def wait_for(condition: Callable[[], bool], progress: Callable[[], int]) -> None:
    """Wait for the condition, as long as there is progress."""
    seen, since_s = progress(), time.monotonic()
    while not condition() and time.monotonic() < since_s + QUIET_S:
        time.sleep(1.0)
        now = progress()
        if now != seen:
            seen, since_s = now, time.monotonic()


def run(given: argparse.Namespace, up: DockerQuorum, notes: Path) -> int:
    """Publish, kill and count; print the figures."""
    first, *others = up.hosts.split(",")
    broker = f"zkmq://{up.hosts}/kills"
    if given.transport == "zookeeper":
        broker = ";".join([f"zookeeper://{first}/kills", *(f"zookeeper://{h}" for h in others)])
    settings = ["--transport", given.transport, "--pool", given.pool]
    breeder = Breeder.start(broker, notes, *settings, "--session-s", str(given.session_s))
    app, rng = app_of(broker, given.transport), random.Random(given.seed)
    share = given.tasks // PRODUCERS
    over_s = 0.0 if given.at_once else given.kills * given.every_s
    kills = LeaderKills(up)
    began_s = time.monotonic()
    try:
        for _ in range(WORKERS):
            breeder.spawn()
        publishers = [
            TaskPublisher(app, range(n * share, (n + 1) * share), given.work_s, over_s)
            for n in range(PRODUCERS)
        ]
        for each in (*publishers, kills):
            each.start()
        for _ in range(given.kills):
            time.sleep(given.every_s)
            breeder.kill(rng)
        for publisher in publishers:
            publisher.join()
        kills.stop()
        wait_for(
            lambda: len(executed(notes)[1]) >= share * PRODUCERS, lambda: len(executed(notes)[1])
        )
    finally:
        breeder.close()
        if kills.is_alive():
            kills.stop()
        close(app)
    print(
        f"{given.transport} ({given.pool}): {given.tasks} tasks, {len(breeder.killed)} workers "
        f"killed, the leader killed {kills.count} times, {time.monotonic() - began_s:.0f} s"
    )
    return tell(publishers, breeder.killed, notes)


def tell(publishers: list[TaskPublisher], killed: set[int], notes: Path) -> int:
    """Print the figures; 1 if a task was lost, or one came twice without a death."""
    began, ended = executed(notes)
    lost_sessions = notes.with_suffix(".log").read_text().count("Connection to broker lost")
    sent = set().union(*(each.sent for each in publishers))
    failed: Counter[str] = sum((each.failed for each in publishers), Counter())
    twice = {number: pids for number, pids in ended.items() if len(pids) > 1}
    # A death explains one more execution: by the worker whose acknowledgement was lost with it.
    unexplained = [n for n, pids in twice.items() if sum(p not in killed for p in pids) > 1]
    lost = sent - set(ended)
    print(
        f"  accepted: {len(sent)}; publishes that failed or are in doubt: {dict(failed)}\n"
        f"  executed: {len(ended)}; lost: {len(lost)}; begun by a worker that died: "
        f"{sum(map(len, began.values())) - sum(map(len, ended.values()))}\n"
        f"  executed more than once: {len(twice)}, of which no worker died: {len(unexplained)}; "
        f"sessions that living workers lost: {lost_sessions}",
        flush=True,
    )
    return 1 if lost or unexplained else 0


def main() -> int:
    """Start a quorum, and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transport", choices=["zkmq", "zookeeper"], default="zkmq")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100, help="of workers")
    parser.add_argument("--every-s", type=float, default=1.6, help="between two kills of workers")
    parser.add_argument("--work-s", type=float, default=0.01, help="what a task takes")
    parser.add_argument("--pool", default="solo", help="of each worker: solo or prefork")
    parser.add_argument("--session-s", type=float, default=SESSION_S, help="of each worker")
    parser.add_argument("--at-once", action="store_true", help="publish as fast as it goes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--breed", nargs=2, metavar=("BROKER", "NOTES"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.breed:
        breed(*given.breed, given.transport, given.pool, given.session_s)
        return 0
    with (
        tempfile.TemporaryDirectory() as folder,
        lending.started(QuorumConfig(nodes=5), by_hand=False, say=print) as up,
    ):
        up.wait_ready(within_s=90)
        notes = Path(folder, "notes")
        notes.mkdir()
        return run(given, up, notes)


if __name__ == "__main__":
    sys.exit(main())
