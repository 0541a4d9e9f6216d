"""What workers are worth: the oracle's histories on two against one, and sleeping runs on up to 32.

The oracle's histories need nothing but a core each. They are judged by one worker and by two, in
turn, and so they are by bare processes: what other programs take of the machine they take of both.
Each worker is a `dask worker` in a session of its own, as on a machine of its own: Linux gives each
session the same share of a busy core, however many processes it has.

A sleeping run needs no core, so many workers fit on any machine. Its outcome goes the whole way: to
the scheduler, over the network, to disk. `linear` is the ideal time against the one that it took.

    make bench NAME=campaign [ARGS="--rounds 5"]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from rich.console import Console
from rows import write_row

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from harness.campaign import dask_cluster  # noqa: E402
from harness.campaign.dask_executor import SLOT, DaskExecutor  # noqa: E402
from harness.campaign.tasks import Done, Task  # noqa: E402
from harness.commands.running import campaign_of_runs, ordered_run  # noqa: E402
from harness.commands.running.campaign_of_runs import CampaignOfRuns  # noqa: E402
from harness.commands.running.crew import Crew  # noqa: E402
from harness.commands.running.ordered_run import Delivered, Order  # noqa: E402
from harness.common.polling import wait_until  # noqa: E402
from harness.report import page  # noqa: E402
from harness.report.terminal import Terminal  # noqa: E402
from harness.scenario import loading  # noqa: E402
from proofs.oracle_chunk import chunk  # noqa: E402 -- it is found by the line above

CHUNKS, HISTORIES, MIX = 4, 500, "crashes"
RUNS_EACH, SLEEPS_S = 4, 30.0
WORKERS = (2, 8, 32)


def main() -> int:
    """Measure, print, and write the rows `campaign-*`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["oracle", "sleeping"])
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the programs end, too
    console = Console(highlight=False, soft_wrap=True)
    if given.only != "sleeping":
        oracle(console, given.rounds)
    if given.only != "oracle":
        sleeping(console)
    return 0


def oracle(console: Console, rounds: int) -> None:
    """Compare two workers with one, beside two bare processes with one."""
    with _workers(1) as one, _workers(2) as two, _bare(1) as bare_one, _bare(2) as bare_two:
        sides = [
            Side(partial(_judged_by, one[0]), one[1]),
            Side(partial(_judged_by, two[0]), two[1]),
            Side(partial(_judged_bare, bare_one), bare_one),
            Side(partial(_judged_bare, bare_two), bare_two),
        ]
        for side in sides:
            side.measured()  # imports, and compiles what is compiled
        ours, bare, cost = [], [], []
        for number in range(rounds):
            load = Path("/proc/loadavg").read_text().split()[0]
            told = [side.measured() for side in sides]
            (one_s, _), (two_s, cpu_s), (bare_one_s, bare_cpu_s), (bare_two_s, _) = told
            ours.append(one_s / two_s)
            bare.append(bare_one_s / bare_two_s)
            cost.append(cpu_s / bare_cpu_s)
            times = ", ".join(
                f"{took_s:.1f} s ({cpu_s:.1f} s of processor)" for took_s, cpu_s in told
            )
            console.print(
                f"round {number + 1}: workers {ours[-1]:.2f}, bare processes {bare[-1]:.2f}, "
                f"processor time {cost[-1]:.2f} of bare: {times}; load {load}"
            )
    ratio, peer, more = map(statistics.median, (ours, bare, cost))
    console.print(f"two workers against one: {ratio:.2f}; bare processes: {peer:.2f}")
    console.print(f"processor time of all of Dask against that of the bare work: {more:.2f}")
    write_row(
        {
            "name": "campaign-oracle",
            "ours": round(ratio, 2),
            "peer": round(peer, 2),
            "peer_name": "two bare processes against one",
            "unit": "times as fast as one",
            "ratio": round(ratio / peer, 2),
            "spread": [round(min(ours), 2), round(max(ours), 2)],
            "rounds": rounds,
            "processor_time": round(more, 2),
        }
    )


@dataclass(frozen=True, slots=True)
class Side:
    """A way to have the histories judged, and the programs that take part in it."""

    judge: Callable[[], float]
    programs: "Sequence[subprocess.Popen[str]]"

    def measured(self) -> tuple[float, float]:
        """Return the seconds that it took, and the processor's seconds of all programs and here."""
        before_s = self._cpu_s()
        return self.judge(), self._cpu_s() - before_s

    def _cpu_s(self) -> float:
        all_s = time.process_time()
        for program in self.programs:
            told = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
            all_s += (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
        return all_s


def _work() -> list[tuple[str, range]]:
    return [(MIX, range(at, at + HISTORIES)) for at in range(0, CHUNKS * HISTORIES, HISTORIES)]


def _judged_by(executor: DaskExecutor) -> float:
    tasks = [
        Task(key=f"{one[1].start}-{uuid.uuid4().hex}", call=chunk, arguments=(one,))
        for one in _work()
    ]
    began_s = time.monotonic()
    done = [event for event in executor.run(tasks) if isinstance(event, Done)]
    assert [event.error for event in done] == [None] * CHUNKS
    return time.monotonic() - began_s


@contextmanager
def _workers(count: int) -> "Iterator[tuple[DaskExecutor, list[subprocess.Popen[str]]]]":
    """Have a scheduler with so many workers, started as docs/campaigns.md says."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as started:
        where = ("--scheduler-file", f"{place}/scheduler.json", "--host", "127.0.0.1")
        scheduler = ("dask", "scheduler", *where, "--port", "0", "--no-dashboard")
        worker = ("dask", "worker", *where, "--nthreads", "1", "--no-dashboard", "--no-nanny")
        programs = [
            started.enter_context(_program("-m", *words, cwd=place))
            for words in (scheduler, *[worker] * count)
        ]
        told = wait_until(lambda: _read(Path(where[1])), within_s=60, every_s=0.1)
        with dask_cluster.of_scheduler(told["address"], _say_nothing, quorum=False) as executor:
            wait_until(lambda: executor.slots == count, within_s=60, every_s=0.2)
            yield executor, programs


@contextmanager
def _bare(count: int) -> "Iterator[list[subprocess.Popen[str]]]":
    """Have so many processes that judge the chunks that they read, and answer with a line."""
    program = "import sys; from proofs import oracle_chunk as o\nfor n in sys.stdin: "
    program += f"o.chunk(('{MIX}', range(int(n), int(n) + {HISTORIES}))); print(int(n), flush=True)"
    with ExitStack() as started:
        yield [started.enter_context(_program("-c", program)) for _ in range(count)]


@contextmanager
def _program(*words: str, cwd: str | None = None) -> "Iterator[subprocess.Popen[str]]":
    """Run a Python program in a session of its own, until the context ends."""
    program = subprocess.Popen(
        [sys.executable, *words],
        start_new_session=True,
        cwd=cwd,
        env=os.environ | _as_embedded() | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with program:
        try:
            yield program
        finally:
            os.killpg(program.pid, signal.SIGTERM)


def _judged_bare(programs: "list[subprocess.Popen[str]]") -> float:
    """Give each program its next chunk when it has answered."""
    began_s, left = time.monotonic(), [seeds.start for _, seeds in _work()]
    with ThreadPoolExecutor(len(programs)) as threads:

        def judge(program: "subprocess.Popen[str]") -> None:
            assert program.stdin is not None
            assert program.stdout is not None
            with suppress(IndexError):
                while True:
                    program.stdin.write(f"{left.pop()}\n")
                    program.stdin.flush()
                    assert program.stdout.readline()

        list(threads.map(judge, programs))
    return time.monotonic() - began_s


def _as_embedded() -> dict[str, str]:
    """Return the settings of workers that `--workers` starts, as Dask's programs read them."""
    return {
        "DASK_" + key.upper().replace(".", "__").replace("-", "_"): str(value)
        for key, value in dask_cluster.SETTINGS.items()
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _say_nothing(_: str) -> None:
    """Drop it."""


def sleeping(console: Console) -> None:
    """See how near to linear many workers are, whose runs sleep."""
    ordered_run.carry_out = sleep
    campaign_of_runs.tidy = _nothing_to_tidy
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "x.yaml"
        file.write_text("description: sleeps\nworkload: [{put-all: {count: 1}}]\n")
        order = Order(scenario=loading.load(file), name="x")
        for workers in WORKERS:
            with _threads(workers) as executor:
                _sleep_through(executor, order, workers, 1, Path(place))  # all are there
                took_s = _sleep_through(executor, order, workers, RUNS_EACH, Path(place))
            linear = RUNS_EACH * SLEEPS_S / took_s
            load = Path("/proc/loadavg").read_text().split()[0]
            runs = f"{workers} workers, {workers * RUNS_EACH} runs of {SLEEPS_S:.0f} s"
            console.print(f"{runs}: {took_s:.2f} s, {linear:.3f} of linear (load {load})")
            write_row(
                {
                    "name": f"campaign-sleeping-{workers}",
                    "ours": round(took_s, 2),
                    "peer": RUNS_EACH * SLEEPS_S,
                    "peer_name": "linear",
                    "unit": "s",
                    "ratio": round(linear, 3),
                    "spread": [round(linear, 3), round(linear, 3)],
                }
            )


def sleep(_: Order) -> Delivered:
    """Be a run that needs no core, and leaves a folder as small runs do."""
    time.sleep(SLEEPS_S)
    results = {"scenario": "x", "seed": 1, "verdict": "valid", "because": None, "checks": []}
    results |= {"expect": "valid", "as_expected": True, "not_run": [], "faults": []}
    results |= {"counts": dict.fromkeys(page.COUNTS, 0), "availability": {"longest_gap_s": None}}
    return Delivered(results=results, took_s=SLEEPS_S, packed=FOLDER)


def _nothing_to_tidy(_: Callable[[str], None]) -> None:
    """Leave the engine alone: no such run has one."""


def _sleep_through(
    executor: DaskExecutor, order: Order, workers: int, each: int, place: Path
) -> float:
    campaign = CampaignOfRuns(
        command="run",
        crew=_Given(executor),
        runs=place / "runs",
        orders={f"{number}-{uuid.uuid4().hex}": order for number in range(workers * each)},
        terminal=Terminal(Console(quiet=True)),
    )
    began_s = time.monotonic()
    with closing(campaign.outcomes()) as outcomes:
        assert len(list(outcomes)) == workers * each
    return time.monotonic() - began_s


class _Given(Crew):
    """Workers that are there already."""

    def __init__(self, executor: DaskExecutor) -> None:
        super().__init__(scheduler="given", campaign=uuid.uuid4().hex)
        object.__setattr__(self, "given", executor)

    @contextmanager
    def executor(self, *_: object, **__: object) -> Iterator[DaskExecutor]:
        """Give them."""
        yield self.given  # type: ignore[attr-defined]


@contextmanager
def _threads(workers: int) -> Iterator[DaskExecutor]:
    """Have so many workers as threads of this process: enough for runs that sleep."""
    with (
        dask.config.set(dask_cluster.SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            memory_limit=0,
            resources={SLOT: 1},
        ) as cluster,
        Client(cluster) as client,
        closing(DaskExecutor(client, uuid.uuid4().hex)) as executor,
    ):
        yield executor


def _small_folder() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "scenario.yaml").write_text("description: sleeps\n")
        (Path(place) / "history.jsonl").write_text('{"f":"put"}\n' * 20_000)
        return ordered_run.pack(Path(place))


FOLDER = _small_folder()

if __name__ == "__main__":
    sys.exit(main())
