"""Workload clients as processes: what a death leaves in the history."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checkers.evidence.notes import ends
from harness.common import process_group
from harness.common.progress import Progress
from harness.common.run_clock import Clock
from harness.history.columns import NEVER_NS, History
from harness.history.record import PROCESS_STRIDE, Event, HistoryWriter, merge
from harness.workers import pool
from harness.workers.pool import Worker, Workers
from harness.workers.worker_process import Job

DIES = "import os; os.kill(os.getpid(), 9)"
LEAVES = "import os; os._exit(0)"


@pytest.mark.parametrize(("last", "ended"), [(DIES, True), (LEAVES, False)], ids=["dies", "leaves"])
def test_a_client_that_dies_in_its_first_call_leaves_its_end(
    tmp_path: Path, last: str, *, ended: bool
) -> None:
    """Its session is in no line that it wrote; what it holds unseen may come back all the same."""
    told = '{"invoked": 1, "process": 1003}' if ended else '{"process": null, "session": null}'
    parts = tmp_path / "parts"
    with HistoryWriter(parts / "harness.jsonl") as of_harness:
        workers = Workers(
            folder=tmp_path, clock=Clock(), progress=Progress(), history=of_harness,
            subject={}, environment={}, forwarding=None,
        )  # fmt: skip
        worker = Worker(job=_job(), process=_printing(told, last), errors=tmp_path / "e", dies=True)
        workers._all.append(worker)
        workers._read(worker)
        worker.process.wait(60)
        workers.reap()
    with HistoryWriter(parts / "worker.jsonl") as of_worker:
        of_worker.append(Event(time_ns=5, process=1003, type="invoke", f="reserve"))
    merge(parts, tmp_path / "history.jsonl")
    history = History.load(tmp_path / "history.jsonl")
    seen = ends(history)
    assert (seen.alive_ns[0] < NEVER_NS, bool(seen.killed[0])) == (ended, ended)


def test_no_client_of_a_long_run_is_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of many phases starts more than 1,000 clients, each with sessions that follow it."""

    def start(*_: object, stderr: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["sh", "-c", "read job"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    monkeypatch.setattr(process_group, "start", start)
    with HistoryWriter(tmp_path / "harness.jsonl") as of_harness:
        workers = Workers(
            folder=tmp_path, clock=Clock(), progress=Progress(), history=of_harness,
            subject={}, environment={}, forwarding=None,
        )  # fmt: skip
        (first,) = workers.start_kind("put-all", {})
        workers._all = [first] * 1000
        (last,) = workers.start_kind("put-all", {})
        workers._all = [first, last]
        workers.stop()
    chains = [
        {each.job.process + n * PROCESS_STRIDE for n in range(2000)} for each in (first, last)
    ]
    assert chains[0].isdisjoint(chains[1])
    assert (first.job.name, last.job.name) == ("00-put-all", "1000-put-all")


def test_the_first_calls_of_all_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of clients that run; one that has ended keeps nobody waiting."""
    seen = list[bool]()

    def looks(look: Callable[[], bool], **_: float) -> None:
        for worker in (None, first, second):
            if worker is not None:
                worker.last[0] = {"alive_ns": 1}
            seen.append(look())

    monkeypatch.setattr(pool, "wait_until", looks)
    with HistoryWriter(tmp_path / "harness.jsonl") as of_harness:
        workers = Workers(
            folder=tmp_path, clock=Clock(), progress=Progress(), history=of_harness,
            subject={}, environment={}, forwarding=None,
        )  # fmt: skip
        first, second, gone = (_waiting(tmp_path / name) for name in "abc")
        workers._all += [first, second, gone]
        gone.send(signal.SIGKILL)
        gone.process.wait(60)
        workers.await_first_calls([first, second, gone])
        workers.stop()
    assert seen == [False, False, True]


def _waiting(errors: Path) -> Worker:
    """Return a client that waits for its job, and may die."""
    process = subprocess.Popen(
        ["sh", "-c", "read job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    return Worker(job=_job(), process=process, errors=errors, dies=True)


def _job() -> Job:
    return Job(
        name="00-x", kind="x", settings={}, number=0, process=3, origin_ns=0, history="", subject={}
    )


def _printing(told: str, last: str) -> subprocess.Popen[bytes]:
    code = f"print({told!r}, flush=True); {last}"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
